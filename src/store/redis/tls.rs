//! TLS, behind the feature of that name.

use super::config::RedisConfigError;
use crate::store::RedisTls;
use redis::{Client, ConnectionInfo, RedisResult};

#[cfg(feature = "tls")]
pub(super) type Certificates = redis::TlsCertificates;

/// There are none without the feature.
#[cfg(not(feature = "tls"))]
#[derive(Clone)]
pub(super) enum Certificates {}

#[cfg(not(feature = "tls"))]
pub(super) fn certificates(_: &RedisTls) -> Result<Certificates, RedisConfigError> {
    Err(RedisConfigError::new("tls", "it needs the crate's feature `tls`"))
}

#[cfg(not(feature = "tls"))]
pub(super) fn client(_: ConnectionInfo, certificates: &Certificates) -> RedisResult<Client> {
    match *certificates {}
}

/// Reads the files, and tries them: what is wrong with them is said at the start, not at each connection.
#[cfg(feature = "tls")]
pub(super) fn certificates(settings: &RedisTls) -> Result<Certificates, RedisConfigError> {
    use rustls::crypto::{CryptoProvider, ring};
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

    // Where a program has more than one provider, rustls takes none by itself, and the driver would panic.
    if CryptoProvider::get_default().is_none() {
        let _ = ring::default_provider().install_default();
    }
    let read = |setting, path: &Option<std::path::PathBuf>| {
        let read = path.as_ref().map(std::fs::read).transpose();
        read.map_err(|error| RedisConfigError::new(setting, format!("the file can't be read: {error}")))
    };
    let chain = |setting, pem: &[u8]| match CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(chain) if chain.is_empty() => Err(RedisConfigError::new(setting, "the file has no certificate in PEM form")),
        Ok(chain) => Ok(chain),
        Err(error) => Err(RedisConfigError::new(setting, error)),
    };
    let root_cert = read("tls_ca", &settings.ca)?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in root_cert.as_deref().map(|pem| chain("tls_ca", pem)).transpose()?.unwrap_or_default() {
        roots.add(certificate).map_err(|error| RedisConfigError::new("tls_ca", error))?;
    }
    let client_tls = match (read("tls_cert", &settings.certificate)?, read("tls_key", &settings.key)?) {
        (Some(client_cert), Some(client_key)) => {
            let chain = chain("tls_cert", &client_cert)?;
            // The error's own text might show a part of the key.
            let key = PrivateKeyDer::from_pem_slice(&client_key)
                .map_err(|_| RedisConfigError::new("tls_key", "the file has no key in PEM form"))?;
            let tried = rustls::ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(chain, key);
            tried.map_err(|error| RedisConfigError::new("tls_key", error))?;
            Some(redis::ClientTlsConfig { client_cert, client_key })
        }
        (None, None) => None,
        (Some(_), None) => return Err(RedisConfigError::new("tls_cert", "there is no key with it")),
        (None, Some(_)) => return Err(RedisConfigError::new("tls_key", "there is no certificate with it")),
    };
    Ok(Certificates { client_tls, root_cert })
}

#[cfg(feature = "tls")]
pub(super) fn client(info: ConnectionInfo, certificates: &Certificates) -> RedisResult<Client> {
    Client::build_with_tls(info, certificates.clone())
}

#[cfg(all(test, feature = "tls"))]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(content: &str) -> (tempfile::TempPath, Option<std::path::PathBuf>) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        let path = file.into_temp_path();
        let name = Some(path.to_path_buf());
        (path, name)
    }

    #[test]
    fn files_are_read_at_once_and_errors_name_them_and_no_secret() {
        let own = |name: &str| rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let (one, two) = (own("one"), own("two"));
        let (_kept1, certificate) = file(&one.cert.pem());
        let (_kept2, key) = file(&one.signing_key.serialize_pem());
        let (_kept3, other_key) = file(&two.signing_key.serialize_pem());
        let (_kept4, rubbish) = file("secret");
        let missing = Some(std::path::PathBuf::from("/nowhere/secret.pem"));
        let tls = |ca: &Option<_>, certificate: &Option<_>, key: &Option<_>| RedisTls {
            ca: ca.clone(),
            certificate: certificate.clone(),
            key: key.clone(),
        };
        assert!(certificates(&tls(&certificate, &certificate, &key)).is_ok());
        assert!(certificates(&tls(&None, &None, &None)).is_ok());
        for (setting, settings) in [
            ("tls_ca", tls(&rubbish, &None, &None)),
            ("tls_ca", tls(&missing, &None, &None)),
            ("tls_cert", tls(&None, &rubbish, &key)),
            ("tls_cert", tls(&None, &certificate, &None)),
            ("tls_key", tls(&None, &certificate, &rubbish)),
            ("tls_key", tls(&None, &certificate, &other_key)),
            ("tls_key", tls(&None, &None, &key)),
        ] {
            let error = certificates(&settings).map(|_| ()).unwrap_err();
            assert_eq!(error.setting(), setting, "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
