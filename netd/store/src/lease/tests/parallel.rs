//! Many at once: no address twice, none lost, and no wait without end.

use std::thread;

use super::*;

#[test]
fn parallel_sessions_never_give_an_address_twice() {
    let bench = Bench::new();
    let set = set("10.0.0.0/24");
    let given: Vec<String> = thread::scope(|scope| {
        let worker = |worker: usize| {
            let (bench, set) = (&bench, &set);
            let work = move || {
                let name = |turn: usize| format!("c{worker}-{turn}");
                let mut given = Vec::new();
                for turn in 0..12 {
                    given.push(bench.take(set, &name(turn)).unwrap());
                    // Every third goes again, so that addresses are freed among the others.
                    if turn % 3 == 0 {
                        assert_eq!(bench.release(&name(turn)), [given.pop().unwrap()]);
                    }
                }
                given
            };
            scope.spawn(work)
        };
        let workers: Vec<_> = (0..16).map(worker).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let different: BTreeSet<&String> = given.iter().collect();
    assert_eq!((given.len(), different.len()), (128, 128));
    assert_eq!(bench.addresses().len(), 128);
    assert!(bench.index_is_valid());
}

#[test]
fn a_held_folder_is_waited_for_until_the_deadline_and_no_longer() {
    let bench = Bench::new();
    let pool = bench.pool();
    let session = pool.lock(soon()).unwrap();
    let start = Instant::now();
    let refused = bench.pool().lock(start + Duration::from_millis(50)).map(drop).unwrap_err();
    assert!(matches!(refused, Error::Locked { .. }), "{refused}");
    assert!((Duration::from_millis(50)..Duration::from_secs(5)).contains(&start.elapsed()));
    drop(session);
    bench.pool().lock(Instant::now()).unwrap();
}
