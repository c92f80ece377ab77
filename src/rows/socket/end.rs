//! Our end of a private socket pair.

use crate::rows::polled;
use sqlx::Error;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::task::Poll;

/// How many replays may leave their questions unread. Each is some 60 bytes, but fills a kilobyte of the socket's buffer, or two where it was written in two.
const FORGET_EVERY: u32 = 32;

/// What our end is asked, and how it answers: without a look at the question, which is always the same.
///
/// The runtime doesn't watch it. It need not be told of each question; and its `try_read` says "nothing there" until the reactor has come round, which on a thread
/// that is never idle it may not do before unread questions have filled the socket.
#[derive(Debug)]
pub struct End {
    socket: UnixStream,
    /// Whether the driver is one that no reactor watches.
    apart: bool,
    /// Replays whose questions lie unread.
    unread: u32,
}

impl End {
    /// The runtime's end of a pair, taken out of its care; the driver's may be [`apart`](super::apart).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn new(socket: tokio::net::UnixStream, apart: bool) -> io::Result<Self> {
        Ok(Self { socket: socket.into_std()?, apart, unread: 0 })
    }

    /// Gives the driver its answer, and what the driver makes of it: `reading` asks the question and reads to the answer's end.
    ///
    /// The answer is sent before the question is asked, so that as a rule the driver finds all of it there, and no task is woken. What doesn't fit into the
    /// socket's buffer is sent as the driver makes room.
    ///
    /// # Errors
    ///
    /// The driver's, or the system's; the pair is then to be thrown away. [`ErrorKind::WouldBlock`] if the driver is apart and would have to wait.
    ///
    /// # Cancel safety
    ///
    /// Not: the pair of a dropped call holds the rest of an answer, and is to be thrown away.
    pub async fn answer<T>(&mut self, answer: &mut [IoSlice<'_>], reading: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let rest = send(&self.socket, answer)?;
        let read = if self.apart {
            if !rest.is_empty() {
                return Err(Error::Io(ErrorKind::WouldBlock.into()));
            }
            // It has no waker to come back by.
            match polled(&mut pin!(reading)).await {
                Poll::Ready(read) => read?,
                Poll::Pending => return Err(Error::Io(ErrorKind::WouldBlock.into())),
            }
        } else if rest.is_empty() {
            reading.await?
        } else {
            tokio::try_join!(reading, Box::pin(send_rest(&self.socket, rest)))?.0
        };
        self.unread += 1;
        if self.unread >= FORGET_EVERY {
            forget(&self.socket)?;
            self.unread = 0;
        }
        Ok(read)
    }
}

/// Sends as much as can be sent without waiting, and gives the rest.
fn send<'a, 'b>(mut socket: &UnixStream, mut answer: &'a mut [IoSlice<'b>]) -> io::Result<&'a mut [IoSlice<'b>]> {
    while !answer.is_empty() {
        match socket.write_vectored(answer) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(sent) => IoSlice::advance_slices(&mut answer, sent),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(answer)
}

/// Sends the rest as the driver makes room for it.
async fn send_rest(socket: &UnixStream, mut answer: &mut [IoSlice<'_>]) -> Result<(), Error> {
    // In the runtime's care for as long as this takes.
    let room = tokio::net::UnixStream::from_std(socket.try_clone()?)?;
    while !answer.is_empty() {
        answer = match room.try_write_vectored(answer) {
            Ok(sent) => {
                IoSlice::advance_slices(&mut answer, sent);
                answer
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                room.writable().await?;
                answer
            }
            Err(error) => return Err(error.into()),
        };
    }
    Ok(())
}

/// Reads what the driver has sent, and forgets it: left lying, it would fill the socket in the end. Whatever the driver asked came before what it has
/// read, so it is all there.
fn forget(mut socket: &UnixStream) -> io::Result<()> {
    let mut questions = [0; 4096];
    loop {
        match socket.read(&mut questions) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) if read < questions.len() => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (End, tokio::net::UnixStream) {
        let (ours, driver) = tokio::net::UnixStream::pair().unwrap();
        (End::new(ours, false).unwrap(), driver)
    }

    /// Unread questions once filled the socket while the reactor was late, and a replay hung: a few times in 100,000 on two busy cores.
    #[tokio::test]
    async fn questions_do_not_pile_up_though_the_reactor_never_comes_round() {
        let (mut end, driver) = pair();
        driver.writable().await.unwrap();
        let mut read = [0; 6];
        for _ in 0..100_000 {
            // Nothing in here waits.
            let reading = async {
                driver.try_write(b"what?").map_err(Error::Io)?;
                Ok(())
            };
            futures_util::FutureExt::now_or_never(end.answer(&mut [IoSlice::new(b"so"), IoSlice::new(b"much")], reading)).unwrap().unwrap();
            while driver.try_read(&mut read).is_err() {
                driver.readable().await.unwrap();
            }
            assert_eq!(&read, b"somuch");
        }
    }

    #[tokio::test]
    async fn an_answer_larger_than_the_socket_is_sent_as_it_is_read() {
        let (mut end, mut driver) = pair();
        let large = vec![7; 5 << 20];
        for _ in 0..3 {
            let reading = async {
                let mut read = vec![0; 10 << 20];
                tokio::io::AsyncReadExt::read_exact(&mut driver, &mut read).await?;
                Ok(read)
            };
            let read = end.answer(&mut [IoSlice::new(&large), IoSlice::new(&large)], reading).await.unwrap();
            assert!(read.len() == 10 << 20 && read.iter().all(|byte| *byte == 7));
        }
    }

    #[tokio::test]
    async fn a_driver_apart_answers_at_once_or_not_at_all() {
        let connect = async {
            let (ours, driver) = tokio::net::UnixStream::pair()?;
            driver.writable().await?;
            ours.try_write(b"!")?;
            driver.readable().await?;
            driver.try_read(&mut [0; 1])?;
            Ok((End::new(ours, true)?, driver))
        };
        let (mut end, driver) = super::super::apart(connect).await.unwrap();
        let mut read = [0; 6];
        for _ in 0..1000 {
            let reading = async { driver.try_read(&mut read).map_err(Error::Io) };
            assert_eq!(end.answer(&mut [IoSlice::new(b"at once")], reading).await.unwrap(), 6);
            assert_eq!(driver.try_read(&mut read).unwrap(), 1);
        }
        let waiting = async {
            driver.try_read(&mut [0; 100]).map_err(Error::Io)?;
            driver.readable().await?;
            driver.try_read(&mut [0; 1]).map_err(Error::Io)?;
            Ok(driver.readable().await?)
        };
        let error = end.answer(&mut [IoSlice::new(b"not enough")], waiting).await.unwrap_err();
        assert!(crate::rows::socket::had_to_wait(&error), "{error:?}");
        let large = vec![7; 5 << 20];
        let error = end.answer(&mut [IoSlice::new(&large)], async { Ok(()) }).await.unwrap_err();
        assert!(crate::rows::socket::had_to_wait(&error), "{error:?}");
    }

    #[tokio::test]
    async fn a_driver_that_has_hung_up_is_an_error() {
        let (mut end, driver) = pair();
        drop(driver);
        let large = vec![7; 5 << 20];
        assert!(end.answer(&mut [IoSlice::new(&large)], async { Ok(()) }).await.is_err());
    }
}
