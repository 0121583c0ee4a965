//! A network with a distance: a proxy that delays each direction by half a round trip.
//!
//! Threads instead of the runtime, whose timers have a resolution of one millisecond.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;

/// Starts a proxy in front of `server` (host and port) on a port of 127.0.0.1; port 0 takes a free one. It works while
/// the process lives. The delay is latency: bytes that are sent together arrive together, later.
pub(crate) fn start(port: u16, server: String, round_trip: Duration) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A failed connection is an error of the client, which loses its own.
            drop(connect(client, &server, round_trip / 2));
        }
    });
    Ok(address)
}

fn connect(client: TcpStream, server: &str, delay: Duration) -> std::io::Result<()> {
    let server = TcpStream::connect(server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    pass(client.try_clone()?, server.try_clone()?, delay);
    pass(server, client, delay);
    Ok(())
}

/// Forwards one direction. Reading continues while earlier bytes wait for their time.
fn pass(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if sender.send((Instant::now() + delay, buffer[..length].to_vec())).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (due, bytes) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        // The other side may have closed first.
        let _ = to.shutdown(Shutdown::Both);
    });
}

/// Parses distances such as `0,0.5,2,10`: round trips in milliseconds.
pub(crate) fn distances(text: &str) -> Result<Vec<f64>> {
    let wrong = "--rtt takes round trips in milliseconds from 0 to 1000, such as 0,0.5,2,10";
    text.split(',')
        .map(|part| match part.trim().parse::<f64>() {
            Ok(rtt) if (0.0..=1000.0).contains(&rtt) => Ok(rtt),
            _ => Err(wrong.into()),
        })
        .collect()
}

/// Returns host and port of a URL.
pub(crate) fn server_of(url: &str) -> Result<String> {
    let rest = url.split_once("://").ok_or("a URL must have the form postgres://…")?.1;
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let place = place.split(['/', '?']).next().unwrap_or(place);
    Ok(if place.rsplit_once(':').is_some() { place.to_owned() } else { format!("{place}:5432") })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use super::{distances, server_of, start};

    #[test]
    fn an_answer_takes_a_round_trip() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let mut one = [0];
            let (mut client, _) = server.accept().unwrap();
            client.read_exact(&mut one).unwrap();
            client.write_all(&one).unwrap();
        });
        let mut client = TcpStream::connect(start(0, to, Duration::from_millis(40)).unwrap()).unwrap();
        let began = Instant::now();

        client.write_all(b"x").unwrap();
        let mut answer = [0];
        client.read_exact(&mut answer).unwrap();

        assert_eq!(&answer, b"x");
        assert!(began.elapsed() >= Duration::from_millis(40), "{:?}", began.elapsed());
    }

    #[test]
    fn distances_and_servers_are_read() {
        assert_eq!(distances("0,0.5, 10").unwrap(), [0.0, 0.5, 10.0]);
        for wrong in ["", "a", "-1", "1,,2", "NaN", "1e9"] {
            assert!(distances(wrong).is_err(), "{wrong}");
        }
        assert_eq!(server_of("postgres://me:p@w@h:5/db?x=1").unwrap(), "h:5");
        assert_eq!(server_of("postgres://h/db").unwrap(), "h:5432");
    }
}
