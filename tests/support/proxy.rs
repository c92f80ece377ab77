//! A Unix socket in front of a server's, whose connections can be cut, closed by half, delayed and held.

use super::Scratch;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// Works as long as the runtime that started it runs; its socket is there as long as it lives.
pub struct Proxy {
    shared: Arc<Shared>,
    pub directory: PathBuf,
    socket: PathBuf,
    _scratch: Scratch,
}

struct Shared {
    weather: watch::Sender<Weather>,
    trap: Mutex<Option<&'static [u8]>>,
    /// The server's ends of what was cut.
    kept: Mutex<Vec<UnixStream>>,
}

/// What becomes of bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Weather {
    /// Counts the cuts.
    cuts: u64,
    /// Counts the half-closings of each direction.
    deaf: u64,
    mute: u64,
    /// Each piece waits for so long.
    delay: Duration,
    /// Nothing passes.
    held: bool,
    /// New connections are closed at once.
    closed: bool,
}

impl Proxy {
    /// Listens in a directory of its own, under the server's own file name.
    pub fn start(server: &Path) -> Self {
        let scratch = Scratch::new();
        let socket = scratch.path().join(server.file_name().expect("a socket"));
        let listener = UnixListener::bind(&socket).expect("a socket");
        let shared = Arc::new(Shared { weather: watch::Sender::default(), trap: Mutex::default(), kept: Mutex::default() });
        let (server, listening) = (server.to_owned(), Arc::clone(&shared));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A server that is down is none of the proxy's business: its client sees a connection that closes at once.
                if listening.weather.borrow().closed {
                    continue;
                }
                let Ok(server) = UnixStream::connect(&server).await else { continue };
                tokio::spawn(pass(client, server, Arc::clone(&listening)));
            }
        });
        Self { shared, directory: scratch.path().to_owned(), socket, _scratch: scratch }
    }

    pub fn socket(&self) -> PathBuf {
        self.socket.clone()
    }

    /// Cuts every connection: the client's end is closed, the server's stays open and unread.
    pub fn cut(&self) {
        self.shared.weather.send_modify(|weather| weather.cuts += 1);
    }

    /// Cuts the connection that sends these bytes next, as soon as the server has got them.
    pub fn cut_after(&self, bytes: &'static [u8]) {
        *self.shared.trap.lock().expect("the trap") = Some(bytes);
    }

    /// Closes the direction to the client alone: what it sends still arrives.
    pub fn close_answers(&self) {
        self.shared.weather.send_modify(|weather| weather.deaf += 1);
    }

    /// Closes the direction to the server alone.
    pub fn close_requests(&self) {
        self.shared.weather.send_modify(|weather| weather.mute += 1);
    }

    /// Makes every piece of data wait for so long.
    pub fn delay(&self, delay: Duration) {
        self.shared.weather.send_modify(|weather| weather.delay = delay);
    }

    /// Lets nothing through, or (`false`) everything that came meanwhile.
    pub fn hold(&self, held: bool) {
        self.shared.weather.send_modify(|weather| weather.held = held);
    }

    /// Whether new connections are closed at once.
    pub fn close(&self, closed: bool) {
        self.shared.weather.send_modify(|weather| weather.closed = closed);
    }

    /// Lets go of the servers' ends of what was cut.
    pub fn forget_cut(&self) {
        self.shared.kept.lock().expect("the connections").clear();
    }
}

/// Waits as the weather demands; false where the connection was cut meanwhile.
async fn weathered(weather: &mut watch::Receiver<Weather>, cuts: u64) -> bool {
    let delay = weather.borrow().delay;
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    match weather.wait_for(|now| !now.held || now.cuts != cuts).await {
        Ok(now) => now.cuts == cuts,
        Err(_) => false,
    }
}

async fn pass(mut client: UnixStream, mut server: UnixStream, shared: Arc<Shared>) {
    let mut weather = shared.weather.subscribe();
    let first = *weather.borrow_and_update();
    let (mut up, mut down) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        tokio::select! {
            changed = weather.changed() => {
                let now = *weather.borrow_and_update();
                if changed.is_err() || now.cuts != first.cuts {
                    break;
                }
                if now.deaf != first.deaf {
                    let _ = client.shutdown().await;
                }
                if now.mute != first.mute {
                    let _ = server.shutdown().await;
                }
            }
            read = client.read(&mut up) => {
                let Ok(length @ 1..) = read else { return };
                if !weathered(&mut weather, first.cuts).await {
                    break;
                }
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
                if !weathered(&mut weather, first.cuts).await {
                    break;
                }
                // Where the client's direction was closed, its own still counts.
                if client.write_all(&down[..length]).await.is_err() && weather.borrow().deaf == first.deaf {
                    return;
                }
            }
        }
    }
    shared.kept.lock().expect("the connections").push(server);
}
