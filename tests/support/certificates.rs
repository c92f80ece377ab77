//! Certificates of a private authority, for servers and clients on the loopback interface.

use super::Scratch;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::path::PathBuf;

/// PEM files, gone when it is dropped.
pub struct Certificates {
    scratch: Scratch,
}

impl Certificates {
    pub fn make() -> Self {
        Self::of(&["127.0.0.1", "localhost"])
    }

    /// With other names.
    pub fn of(names: &[&str]) -> Self {
        let scratch = Scratch::new();
        let mut authority = CertificateParams::new(Vec::new()).expect("no names");
        // Names that differ: else a certificate would look as if it had signed itself.
        authority.distinguished_name.push(DnType::CommonName, "authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let write = |name: &str, pem: String| std::fs::write(scratch.join(name), pem).expect("a PEM file");
        write("ca.pem", authority.self_signed(&key).expect("a certificate").pem());
        let issuer = Issuer::new(authority, key);
        for name in ["server", "client"] {
            let key = KeyPair::generate().expect("a key");
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            let mut params = CertificateParams::new(names).expect("names");
            params.distinguished_name.push(DnType::CommonName, name);
            let certificate = params.signed_by(&key, &issuer).expect("a certificate");
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

    /// The settings of a server, or of one of a cluster.
    pub fn of_server(&self, clients_show_one: bool) -> Vec<String> {
        let path = |name: &str| self.scratch.join(name).display().to_string();
        let auth = if clients_show_one { "yes" } else { "no" };
        let words = [
            ("--tls-cert-file", path("server.pem")),
            ("--tls-key-file", path("server.key")),
            ("--tls-ca-cert-file", path("ca.pem")),
            ("--tls-auth-clients", auth.to_owned()),
            ("--tls-cluster", "yes".to_owned()),
            ("--tls-replication", "yes".to_owned()),
        ];
        words.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }
}
