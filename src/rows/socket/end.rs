//! Our end of a private socket pair.

use sqlx::Error;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::unix::net::UnixStream;

/// How many replays may leave their questions unread. Each is some 60 bytes, but fills a kilobyte of the socket's buffer, or two where it was written in two.
const FORGET_EVERY: u32 = 32;

/// What our end is asked, and how it answers: without a look at the question, which is always the same.
///
/// The runtime doesn't watch it. It need not be told of each question; and its `try_read` says "nothing there" until the reactor has come round, which on a thread
/// that is never idle it may not do before unread questions have filled the socket.
#[derive(Debug)]
pub struct End {
    socket: UnixStream,
    /// Replays whose questions lie unread.
    unread: u32,
}

impl End {
    /// The runtime's end of a pair, taken out of its care.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn new(socket: tokio::net::UnixStream) -> io::Result<Self> {
        Ok(Self { socket: socket.into_std()?, unread: 0 })
    }

    /// Gives the driver its answer, and what the driver makes of it: `reading` asks the question and reads to the answer's end.
    ///
    /// The answer is sent before the question is asked, so that as a rule the driver finds all of it there, and no task is woken. What doesn't fit into the
    /// socket's buffer is sent as the driver makes room.
    ///
    /// # Errors
    ///
    /// The driver's, or the system's; the pair is then to be thrown away.
    ///
    /// # Cancel safety
    ///
    /// Not: the pair of a dropped call holds the rest of an answer, and is to be thrown away.
    pub async fn answer<T>(&mut self, answer: &mut [IoSlice<'_>], reading: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let rest = send(&self.socket, answer)?;
        let read = if rest.is_empty() { reading.await? } else { tokio::try_join!(reading, Box::pin(send_rest(&self.socket, rest)))?.0 };
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
        (End::new(ours).unwrap(), driver)
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
    async fn a_driver_that_has_hung_up_is_an_error() {
        let (mut end, driver) = pair();
        drop(driver);
        let large = vec![7; 5 << 20];
        assert!(end.answer(&mut [IoSlice::new(&large)], async { Ok(()) }).await.is_err());
    }
}
