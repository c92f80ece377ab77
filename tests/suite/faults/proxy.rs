//! A Unix socket in front of a database's, whose connections can be cut: the client's end is closed, the server's stays open and unread.

use crate::support::Scratch;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// Works as long as it lives and the runtime that started it runs.
pub struct Proxy {
    shared: Arc<Shared>,
    pub directory: PathBuf,
    _scratch: Scratch,
}

struct Shared {
    cut: watch::Sender<u64>,
    trap: Mutex<Option<&'static [u8]>>,
    /// The server's ends of what was cut.
    kept: Mutex<Vec<UnixStream>>,
}

impl Proxy {
    /// Listens in a directory of its own, under the server's own file name.
    pub fn start(server: &Path) -> Self {
        let scratch = Scratch::new();
        let listener = UnixListener::bind(scratch.path().join(server.file_name().expect("a socket"))).expect("a socket");
        let shared = Arc::new(Shared { cut: watch::Sender::new(0), trap: Mutex::default(), kept: Mutex::default() });
        let (server, listening) = (server.to_owned(), Arc::clone(&shared));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&server).await.expect("the server");
                tokio::spawn(pass(client, server, Arc::clone(&listening)));
            }
        });
        Self { shared, directory: scratch.path().to_owned(), _scratch: scratch }
    }

    /// Cuts every connection.
    pub fn cut(&self) {
        self.shared.cut.send_modify(|times| *times += 1);
    }

    /// Cuts the connection that sends these bytes next, as soon as the server has got them.
    pub fn cut_after(&self, bytes: &'static [u8]) {
        *self.shared.trap.lock().expect("the trap") = Some(bytes);
    }
}

async fn pass(mut client: UnixStream, mut server: UnixStream, shared: Arc<Shared>) {
    let mut cut = shared.cut.subscribe();
    let (mut up, mut down) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        tokio::select! {
            _ = cut.changed() => break,
            read = client.read(&mut up) => {
                let Ok(length @ 1..) = read else { return };
                if server.write_all(&up[..length]).await.is_err() {
                    return;
                }
                let mut trap = shared.trap.lock().expect("the trap");
                if trap.is_some_and(|bytes| up[..length].windows(bytes.len()).any(|window| window == bytes)) {
                    *trap = None;
                    break;
                }
            }
            read = server.read(&mut down) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&down[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
    shared.kept.lock().expect("the connections").push(server);
}
