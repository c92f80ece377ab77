//! Certificates of a private authority, for servers and clients on the loopback interface.

use super::Scratch;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::path::PathBuf;

/// PEM files, gone when it is dropped.
pub struct Certificates {
    scratch: Scratch,
}

impl Certificates {
    pub fn make() -> Self {
        let scratch = Scratch::new();
        let mut authority = CertificateParams::new(Vec::new()).expect("no names");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let write = |name: &str, pem: String| std::fs::write(scratch.join(name), pem).expect("a PEM file");
        write("ca.pem", authority.self_signed(&key).expect("a certificate").pem());
        let issuer = Issuer::new(authority, key);
        for name in ["server", "client"] {
            let key = KeyPair::generate().expect("a key");
            let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
            let certificate = CertificateParams::new(names).and_then(|params| params.signed_by(&key, &issuer)).expect("a certificate");
            write(&format!("{name}.pem"), certificate.pem());
            write(&format!("{name}.key"), key.serialize_pem());
        }
        Self { scratch }
    }

    pub fn ca(&self) -> PathBuf {
        self.scratch.join("ca.pem")
    }

    /// The client's certificate and its key.
    pub fn client(&self) -> (PathBuf, PathBuf) {
        (self.scratch.join("client.pem"), self.scratch.join("client.key"))
    }

    /// A server's settings, but for its port.
    pub fn of_server(&self, clients_show_one: bool) -> Vec<String> {
        let path = |name: &str| self.scratch.join(name).display().to_string();
        let auth = if clients_show_one { "yes" } else { "no" };
        let words = [
            ("--tls-cert-file", path("server.pem")),
            ("--tls-key-file", path("server.key")),
            ("--tls-ca-cert-file", path("ca.pem")),
            ("--tls-auth-clients", auth.to_owned()),
        ];
        words.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }
}
