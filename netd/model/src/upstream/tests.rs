use super::*;

#[test]
fn servers_are_written_as_people_write_them() {
    for (text, expected) in [
        ("192.0.2.53", "192.0.2.53:53"),
        ("192.0.2.53:5353", "192.0.2.53:5353"),
        ("2001:db8::53", "[2001:db8::53]:53"),
        ("[2001:db8::53]:5353", "[2001:db8::53]:5353"),
        ("tls://192.0.2.53", "tls://192.0.2.53:853"),
        ("tls://2001:db8::53#Dns.Example.", "tls://[2001:db8::53]:853#dns.example"),
        ("tls://192.0.2.53:8853#dns.example", "tls://192.0.2.53:8853#dns.example"),
    ] {
        let upstream: Upstream = text.parse().unwrap();
        assert_eq!(upstream.to_string(), expected);
        let json = serde_json::to_string(&upstream).unwrap();
        assert_eq!(json, format!("\"{expected}\""));
        assert_eq!(serde_json::from_str::<Upstream>(&json).unwrap(), upstream, "as documents hold it");
    }
}

#[test]
fn what_is_no_server_is_refused_with_what_is_wrong() {
    for (text, fault) in [
        ("dns.example", "is no address"),
        ("", "is no address"),
        ("192.0.2.53#dns.example", "is no address"),
        ("https://192.0.2.53", "is no address"),
        ("tls://dns.example", "is no address"),
        ("tls://192.0.2.53#", "has no name"),
        ("tls://192.0.2.53#-", "has no name"),
        ("0.0.0.0", "of one server"),
        ("[::]:53", "of one server"),
        ("224.0.0.251", "of one server"),
        ("192.0.2.53:0", "of one server"),
    ] {
        let error = text.parse::<Upstream>().unwrap_err().to_string();
        assert!(error.contains(fault) && error.contains(&format!("{text:?}")), "{error}");
    }
}

#[test]
fn servers_over_tls_and_in_the_open_do_not_go_together() {
    let servers = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Upstream>>();
    assert_eq!(discord(&servers(&[])), None);
    assert_eq!(discord(&servers(&["192.0.2.53", "192.0.2.54"])), None);
    assert_eq!(discord(&servers(&["tls://192.0.2.53", "tls://192.0.2.54#dns.example"])), None);
    assert!(discord(&servers(&["tls://192.0.2.53", "192.0.2.54"])).is_some());
}
