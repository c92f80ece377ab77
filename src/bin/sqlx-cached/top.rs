//! `top`: what happens now, by the counters that all programs share.

mod draw;
mod state;
#[cfg(test)]
mod tests;

use self::state::{Sample, State};
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::target::Target;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use sqlx_cached::Cache;
use sqlx_cached::store::{CacheStore, RedisStore};
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How often to look.
#[derive(clap::Args)]
pub struct Arguments {
    /// Seconds from one look to the next. Programs add what they counted every 2 s
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    interval: f64,
}

fn seconds(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|seconds| (0.1..=3600.0).contains(seconds)).ok_or_else(|| "it is not a number from 0.1 to 3600".to_owned())
}

/// Draws until `q` is pressed.
pub async fn run(arguments: Arguments, target: &Target, output: Output) -> Outcome {
    if output.json || !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::Usage("top draws on a terminal; `stats --json` has its numbers".into()));
    }
    let store = target.reached().await?;
    let cache = target.counted(&store).await?;
    let interval = Duration::from_secs_f64(arguments.interval);
    let mut state = State::new(&target.namespace, interval, std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()));
    // Dropped on the way out, whichever that is.
    let mut terminal = Terminal(ratatui::try_init()?);
    let mut samples = poll(cache, store, interval);
    let mut events = keys();
    loop {
        terminal.0.draw(|frame| draw::draw(frame, &mut state))?;
        tokio::select! {
            sample = samples.recv() => match sample {
                Some(sample) => state.add(sample),
                None => return Ok(Exit::Fine),
            },
            event = events.recv() => match event {
                Some(event) if is_end(&event) => return Ok(Exit::Fine),
                Some(Event::Key(key)) if key.kind != KeyEventKind::Release => state.press(key.code),
                Some(_) => {}
                None => return Err(Failure::Failed("the terminal is gone".into())),
            },
        }
    }
}

/// Leaves the terminal as it was.
struct Terminal(ratatui::DefaultTerminal);

impl Drop for Terminal {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

fn is_end(event: &Event) -> bool {
    let Event::Key(key) = event else { return false };
    matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
        || (key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL))
}

/// Reading blocks, so it has a thread of its own, which ends with the process.
fn keys() -> mpsc::UnboundedReceiver<Event> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if sender.send(event).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Asks again and again, whatever the answer is. A slow server is asked less often.
fn poll(cache: Cache, store: Arc<RedisStore>, interval: Duration) -> mpsc::Receiver<Result<Sample, String>> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let sample = async {
                let days = cache.days().await.map_err(|error| error.to_string())?;
                // Without the right to INFO there is the rest.
                let info = store.plain().info().await.ok();
                Ok(Sample::new(Instant::now(), &days, info))
            };
            if sender.send(sample.await).await.is_err() {
                break;
            }
            tokio::time::sleep(interval).await;
        }
    });
    receiver
}
