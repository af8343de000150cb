//! What both reactors promise.

use core::cell::RefCell;
use core::pin::Pin;
use core::task::Poll;
use core::time::Duration;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::rc::Rc;

use smol::LocalExecutor;

macro_rules! promises {
    ($name:ident, $reactor:path) => {
        mod $name {
            use super::*;
            use $reactor::{Source, Timer, block_on};

            fn pair() -> (TcpStream, TcpListener) {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                (TcpStream::connect(listener.local_addr().unwrap()).unwrap(), listener)
            }

            async fn read(source: &Source<TcpStream>, buffer: &mut [u8]) -> io::Result<usize> {
                let len = core::future::poll_fn(|cx| source.poll_read(cx, |mut stream| stream.read(buffer))).await?;
                if len > 0 && len < buffer.len() {
                    source.drained();
                }
                Ok(len)
            }

            async fn write(source: &Source<TcpStream>, mut bytes: &[u8]) -> io::Result<()> {
                while !bytes.is_empty() {
                    let write = |mut stream: &TcpStream| stream.write(bytes);
                    let len = core::future::poll_fn(|cx| source.poll_write(cx, write)).await?;
                    bytes = &bytes[len..];
                }
                Ok(())
            }

            #[test]
            fn timers_fire_in_their_order() {
                let executor = LocalExecutor::new();
                let fired = Rc::new(RefCell::new(Vec::new()));
                block_on(executor.run(async {
                    let tasks: Vec<_> = [30, 10, 20]
                        .into_iter()
                        .map(|ms| {
                            let fired = Rc::clone(&fired);
                            executor.spawn(async move {
                                Timer::after(Duration::from_millis(ms)).await;
                                fired.borrow_mut().push(ms);
                            })
                        })
                        .collect();
                    for task in tasks {
                        task.await;
                    }
                }))
                .unwrap();
                assert_eq!(*fired.borrow(), [10, 20, 30]);
            }

            #[test]
            fn a_timer_in_the_past_is_ready() {
                block_on(Timer::at(crate::clock::instant())).unwrap();
            }

            #[test]
            fn a_restarted_timer_has_its_time_again() {
                block_on(async {
                    let mut timer = Timer::after(Duration::from_millis(1));
                    core::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut timer).poll(cx).is_pending())).await;
                    let time = Duration::from_millis(30);
                    let began = crate::clock::instant();
                    timer.restart(time);
                    (&mut timer).await;
                    assert!(crate::clock::instant() - began >= time);
                    // Less time than before is less time.
                    timer.restart(Duration::from_secs(3_600));
                    core::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut timer).poll(cx).is_pending())).await;
                    timer.restart(Duration::from_millis(1));
                    timer.await;
                })
                .unwrap();
            }

            #[test]
            fn a_dropped_timer_wakes_nobody() {
                block_on(async {
                    let late = async { Timer::after(Duration::from_secs(3_600)).await };
                    let soon = async { Timer::after(Duration::from_millis(1)).await };
                    smol::future::or(late, soon).await;
                })
                .unwrap();
            }

            #[test]
            fn another_thread_wakes_a_task() {
                let (sender, receiver) = async_channel::bounded(1);
                let thread = std::thread::spawn(move || sender.send_blocking(7).unwrap());
                assert_eq!(block_on(receiver.recv()).unwrap(), Ok(7));
                thread.join().unwrap();
            }

            #[test]
            fn bytes_come_whole_and_then_the_end() {
                let (mut client, listener) = pair();
                block_on(async {
                    let listener = Source::listener(listener).unwrap();
                    let (source, address) = listener.accept().await.unwrap();
                    assert_eq!(address, client.local_addr().unwrap());
                    let mut buffer = [0; 8];
                    client.write_all(b"twelve bytes").unwrap();
                    // The end comes with the last bytes: a short read must not make it forgotten.
                    client.shutdown(Shutdown::Write).unwrap();
                    let mut all = Vec::new();
                    loop {
                        let len = read(&source, &mut buffer).await.unwrap();
                        if len == 0 {
                            break;
                        }
                        all.extend_from_slice(&buffer[..len]);
                    }
                    assert_eq!(all, b"twelve bytes");
                    assert_eq!(read(&source, &mut buffer).await.unwrap(), 0, "the end stays the end");
                })
                .unwrap();
            }

            #[test]
            #[cfg(unix)]
            fn a_stream_that_somebody_else_accepted_may_be_of_another_kind() {
                let (mut client, stream) = std::os::unix::net::UnixStream::pair().unwrap();
                block_on(async {
                    let source = Source::connected(std::os::fd::OwnedFd::from(stream).into()).unwrap();
                    let mut buffer = [0; 8];
                    for _ in 0..2 {
                        client.write_all(b"ping").unwrap();
                        assert_eq!(read(&source, &mut buffer).await.unwrap(), 4);
                        write(&source, b"pong").await.unwrap();
                        client.read_exact(&mut buffer[..4]).unwrap();
                        assert_eq!(&buffer[..4], b"pong");
                    }
                    source.io().shutdown(Shutdown::Write).unwrap();
                    assert_eq!(client.read(&mut buffer).unwrap(), 0);
                })
                .unwrap();
            }

            #[test]
            fn what_comes_after_a_short_read_is_not_missed() {
                let (mut client, listener) = pair();
                block_on(async {
                    let listener = Source::listener(listener).unwrap();
                    let (source, _) = listener.accept().await.unwrap();
                    let mut buffer = [0; 64];
                    for round in 0..200_u32 {
                        let message = format!("message {round}");
                        client.write_all(message.as_bytes()).unwrap();
                        let len = read(&source, &mut buffer).await.unwrap();
                        assert_eq!(&buffer[..len], message.as_bytes());
                    }
                })
                .unwrap();
            }

            #[test]
            fn a_writer_waits_for_room() {
                let (mut client, listener) = pair();
                let bytes: Vec<u8> = (0..4 << 20).map(|at: u32| at as u8).collect();
                let expected = bytes.clone();
                let reader = std::thread::spawn(move || {
                    let mut received = Vec::new();
                    client.read_to_end(&mut received).unwrap();
                    received
                });
                block_on(async {
                    let listener = Source::listener(listener).unwrap();
                    let (source, _) = listener.accept().await.unwrap();
                    write(&source, &bytes).await.unwrap();
                })
                .unwrap();
                assert!(reader.join().unwrap() == expected);
            }

            #[test]
            fn many_connections_are_told_apart() {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap();
                let executor = LocalExecutor::new();
                block_on(executor.run(async {
                    let listener = Source::listener(listener).unwrap();
                    let mut clients: Vec<_> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
                    let mut tasks = Vec::new();
                    for _ in 0..clients.len() {
                        let (source, from) = listener.accept().await.unwrap();
                        tasks.push(executor.spawn(async move {
                            let mut buffer = [0; 8];
                            let len = read(&source, &mut buffer).await.unwrap();
                            assert_eq!(&buffer[..len], from.port().to_string().as_bytes());
                            write(&source, b"got it").await.unwrap();
                        }));
                    }
                    for client in clients.iter_mut().rev() {
                        let name = client.local_addr().unwrap().port().to_string();
                        client.write_all(name.as_bytes()).unwrap();
                    }
                    for task in tasks {
                        task.await;
                    }
                    for client in &mut clients {
                        let mut answer = [0; 6];
                        client.read_exact(&mut answer).unwrap();
                        assert_eq!(&answer, b"got it");
                    }
                }))
                .unwrap();
            }
        }
    };
}

/// Only this reactor says when.
#[cfg(target_os = "linux")]
#[test]
fn tasks_that_go_on_for_long_are_told_to_let_sockets_be_looked_at() {
    use super::{LOOK_INTERVAL_MAX, Source, block_on};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let look = async {
        let source = Source::listener(listener).unwrap();
        let begun = crate::clock::instant();
        while crate::clock::instant().duration_since(begun) <= LOOK_INTERVAL_MAX {
            core::hint::spin_loop();
        }
        source.is_look_due()
    };
    assert!(block_on(look).unwrap());
}

#[cfg(target_os = "linux")]
#[test]
fn who_is_woken_by_an_event_interrupts_no_wait() {
    use super::epoll::{Source, block_on, was_interrupted};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let test = async {
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let source = Source::connected(listener.accept().unwrap().0).unwrap();
        client.write_all(b"x").unwrap();
        core::future::poll_fn(|cx| source.poll_readable(cx)).await;
        assert!(!was_interrupted());
    };
    block_on(test).unwrap();
}

/// Counts how often it wakes.
#[cfg(target_os = "linux")]
#[derive(Default)]
struct Counter(core::sync::atomic::AtomicUsize);

#[cfg(target_os = "linux")]
impl std::task::Wake for Counter {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
    }
}

/// Elsewhere it is as the system says.
#[cfg(target_os = "linux")]
#[test]
fn of_many_whose_peers_are_gone_a_few_are_woken_at_once_and_who_speaks_is_woken_first() {
    use core::sync::atomic::Ordering;
    use core::task::Context;
    use std::sync::Arc;

    use super::epoll::{ENDED_MAX, Source, block_on};
    const GONE: usize = 10 * ENDED_MAX;
    let test = async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (gone, speaks) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
        let connect = |counter: &Arc<Counter>| {
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let source = Source::connected(listener.accept().unwrap().0).unwrap();
            assert!(source.poll_readable(&Context::from_waker(&Arc::clone(counter).into())).is_pending());
            (client, source)
        };
        let (clients, sources): (Vec<_>, Vec<_>) = (0..GONE).map(|_| connect(&gone)).unzip();
        let (mut client, source) = connect(&speaks);
        drop(clients);
        client.write_all(b"x").unwrap();
        super::turn().await;
        let count = |counter: &Counter| counter.0.load(Ordering::Relaxed);
        assert_eq!((count(&speaks), source.is_readable()), (1, true));
        assert!(count(&gone) < GONE / 2, "{} are woken", count(&gone));
        // They may be read before, if their tasks do something else.
        assert!(sources.iter().all(Source::is_readable));
        for _ in 0..GONE / ENDED_MAX {
            super::turn().await;
        }
        assert_eq!(count(&gone), GONE);
    };
    block_on(test).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn of_those_that_have_given_way_a_few_are_woken_at_once_and_who_speaks_is_woken_first() {
    use core::sync::atomic::Ordering;
    use core::task::Context;
    use std::sync::Arc;

    use super::epoll::{LATER_MAX, Source, block_on};
    let test = async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = || {
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (client, Source::connected(listener.accept().unwrap().0).unwrap())
        };
        let (given_way, speaks) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
        let (mut client, source) = connect();
        assert!(source.poll_readable(&Context::from_waker(&Arc::clone(&speaks).into())).is_pending());
        let mut others: Vec<_> = (0..3 * LATER_MAX).map(|_| connect()).collect();
        for (_, source) in &others {
            // To give way again before its turn has come changes nothing.
            for _ in 0..2 {
                source.wake_later(&Context::from_waker(&Arc::clone(&given_way).into()));
            }
        }
        // Nor does it matter who is gone, and who has its number now.
        let (gone, gone_source) = connect();
        gone_source.wake_later(&Context::from_waker(&Arc::clone(&given_way).into()));
        drop((gone, gone_source));
        others.push(connect());
        client.write_all(b"x").unwrap();
        let count = |counter: &Counter| counter.0.load(Ordering::Relaxed);
        assert_eq!((count(&speaks), count(&given_way)), (0, 0));
        let mut woken = Vec::new();
        while count(&given_way) < 3 * LATER_MAX {
            // Nobody else has anything to do: that some are left is reason enough not to sleep.
            smol::future::yield_now().await;
            assert_eq!(count(&speaks), 1);
            woken.push(count(&given_way));
        }
        assert_eq!(woken, [LATER_MAX, 2 * LATER_MAX, 3 * LATER_MAX]);
        assert!(others.iter().all(|(_, source)| !source.is_later()));
    };
    block_on(test).unwrap();
}

#[cfg(target_os = "linux")]
promises!(of_epoll, super::super::epoll);
promises!(of_portable, super::super::portable);
