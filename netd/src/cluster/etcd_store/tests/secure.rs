//! An etcd that asks who somebody is, and shows who it is itself.

use std::{
    fs,
    net::IpAddr,
    time::{Duration, Instant},
};

use etcd_client::{Client, ConnectOptions, Permission};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};
use tokio::time::sleep;

use super::{Lab, NETWORK};

/// Who signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// A certificate for who is at an address, and its key, as files of the lab.
    fn sign(&self, lab: &Lab, name: &str, address: IpAddr) -> [String; 2] {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::IpAddress(address)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        [("crt", certificate), ("key", key.serialize_pem())]
            .map(|(ending, text)| write(lab, &format!("{name}.{ending}"), &text))
    }
}

/// A file of the lab.
fn write(lab: &Lab, name: &str, text: &str) -> String {
    fs::write(lab.path(name), text).unwrap();
    lab.path(name).display().to_string()
}

/// An etcd that takes certificates of an authority and no others.
fn with_certificates(authority: &Authority) -> Lab {
    Lab::with("https", 1, |lab| {
        let [certificate, key] = authority.sign(lab, "etcd", lab.address(254).into());
        let ca = write(lab, "ca.crt", &authority.certificate);
        let words = ["--client-cert-auth", "--trusted-ca-file", &ca, "--cert-file", &certificate, "--key-file", &key];
        words.map(ToOwned::to_owned).into()
    })
}

#[tokio::test]
async fn hosts_show_their_certificate_and_look_at_that_of_etcd() {
    let authority = Authority::new();
    let lab = with_certificates(&authority);
    let ca = lab.path("ca.crt").display().to_string();
    let [certificate, key] = authority.sign(&lab, "host", lab.address(1).into());
    let own = format!("cert_file = '{certificate}'\nkey_file = '{key}'\n");
    let mut h1 = lab.start_with(1, &format!("ca_file = '{ca}'\n{own}")).await;
    let mut h2 = lab.start_with(2, &format!("ca_file = '{ca}'\n{own}")).await;
    h1.shows("h2 alive c2").await;
    h2.shows("h1 alive c1").await;

    let other = Authority::new();
    let [foreign, foreign_key] = other.sign(&lab, "foreign", lab.address(3).into());
    let wrong = write(&lab, "wrong.crt", &other.certificate);
    let absent = lab.path("absent").display().to_string();
    let not_signed = "cluster.ca_file must have who signed its certificate";
    let no_certificate = "it may ask for a certificate, set cluster.cert_file and cluster.key_file";
    for (lines, words) in [
        (own.clone(), "set cluster.ca_file"),
        (format!("ca_file = '{wrong}'\n{own}"), not_signed),
        (format!("ca_file = '{ca}'\n"), no_certificate),
        (
            format!("ca_file = '{ca}'\ncert_file = '{foreign}'\nkey_file = '{foreign_key}'\n"),
            "it does not take the certificate of cluster.cert_file",
        ),
        (format!("ca_file = '{absent}'\n{own}"), "/absent: No such file or directory"),
        (format!("ca_file = '{key}'\n{own}"), "host.key: there is no certificate in it"),
        (
            format!("ca_file = '{ca}'\ncert_file = '{certificate}'\nkey_file = '{foreign_key}'\n"),
            "cluster.cert_file and cluster.key_file: ",
        ),
    ] {
        let mut h3 = Lab::begin(&lab.settings(3, &format!("{lines}{NETWORK}")));
        h3.has_error(words).await;
        assert_eq!(h3.text(), "");
        h3.cluster.stop().await;
    }
    h1.shows("h2 alive c2").await;
}

#[tokio::test]
async fn a_file_that_is_mended_is_read_without_being_told_and_so_is_a_certificate_that_is_renewed() {
    let authority = Authority::new();
    let mut lab = with_certificates(&authority);
    let [certificate, key] = authority.sign(&lab, "host", lab.address(1).into());
    let ca = write(&lab, "of-host.crt", &Authority::new().certificate);
    let lines = format!("ca_file = '{ca}'\ncert_file = '{certificate}'\nkey_file = '{key}'\n");
    let mut h1 = Lab::begin(&lab.settings(1, &format!("{lines}{NETWORK}")));
    h1.has_error("invalid peer certificate").await;
    write(&lab, "of-host.crt", &authority.certificate);
    h1.has_part().await;
    h1.until(|host| host.cluster.view().errors.is_empty()).await;

    lab.kill_etcd();
    authority.sign(&lab, "etcd", lab.address(253).into());
    lab.start_etcd("data");
    h1.has_error("cluster.ca_file must have who signed its certificate for this address").await;
    assert!(!h1.part().is_empty(), "all stays as it was");
    lab.kill_etcd();
    authority.sign(&lab, "etcd", lab.address(254).into());
    lab.start_etcd("data");
    h1.until(|host| host.cluster.view().errors.is_empty()).await;
}

const OWN: &str = "user = 'netd'\npassword = 'swordfish'\n";

/// Lets nobody in who does not say who he is; `netd` may do what it likes below `/netd/`.
async fn ask_for_passwords(lab: &Lab) -> Client {
    let mut client = lab.client().await;
    for (user, password) in [("root", "root"), ("netd", "swordfish"), ("guest", "guest")] {
        client.user_add(user, password, None).await.unwrap();
        client.role_add(user).await.unwrap();
        client.user_grant_role(user, user).await.unwrap();
    }
    let below = Permission::read_write("/netd/").with_prefix();
    client.role_grant_permission("netd", below).await.unwrap();
    client.auth_enable().await.unwrap();
    let root = ConnectOptions::new().with_user("root", "root");
    Client::connect([lab.url()], Some(root)).await.unwrap()
}

#[tokio::test]
async fn a_user_needs_no_more_than_what_is_below_netd_and_what_is_wrong_is_said() {
    let lab = Lab::new();
    let mut root = Box::pin(ask_for_passwords(&lab)).await;
    let mut h1 = lab.start_with(1, OWN).await;
    let mut h2 = lab.start_with(2, OWN).await;
    h1.shows("h2 alive c2").await;
    h2.shows("h1 alive c1").await;
    let refused = "authentication failed, invalid user ID or password";
    for (lines, words) in [
        (OWN.replace("swordfish", "herring"), refused),
        (OWN.replace("netd", "nobody"), refused),
        (OWN.replace("netd", "guest").replace("swordfish", "guest"), "must read and write all that begins with /netd/"),
        (String::new(), "user name is empty: set cluster.user and cluster.password"),
    ] {
        let mut h3 = Lab::begin(&lab.settings(3, &format!("{lines}{NETWORK}")));
        h3.has_error(words).await;
        assert_eq!(h3.text(), "");
        h3.cluster.stop().await;
    }
    let mut h3 = Lab::begin(&lab.settings(3, &format!("{}{NETWORK}", OWN.replace("swordfish", "herring"))));
    h3.has_error(refused).await;
    root.user_change_password("netd", "herring").await.unwrap();
    h3.shows("h1 alive c1, h2 alive c2").await;
    h3.until(|host| host.cluster.view().errors.is_empty()).await;
}

#[tokio::test]
async fn a_token_that_expires_is_renewed_and_nothing_is_lost() {
    // A token lives for a second or two after it was last used, and the leases are kept every five.
    let lab = Lab::with("http", 15, |_| vec!["--auth-token-ttl".to_owned(), "1".to_owned()]);
    let root = Box::pin(ask_for_passwords(&lab)).await;
    let mut h1 = lab.start_with(1, OWN).await;
    let mut h2 = lab.start_with(2, OWN).await;
    h1.shows("h2 alive c2").await;
    for round in 0..3 {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(3) {
            let [e1, e2] = [&h1, &h2].map(|host| host.cluster.view().errors.clone());
            assert!(e1.is_empty() && e2.is_empty(), "{e1:?} {e2:?}");
            sleep(Duration::from_millis(5)).await;
        }
        h2.tell(&[&format!("new{round}")]);
        h1.shows(&format!("h2 alive new{round}")).await;
    }
    assert!(h2.cluster.view().errors.is_empty());
    h2.shows("h1 alive c1").await;
    let mut kv = root.kv_client();
    let error = kv.get("/", None).await.unwrap_err().to_string();
    assert!(error.contains("invalid auth token"), "tokens do expire here: {error}");
}
