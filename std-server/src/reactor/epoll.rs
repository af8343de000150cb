//! The reactor on Linux: epoll, edge-triggered, on the thread that runs the tasks.
//!
//! smol's reactor arms each socket anew for each wait, and when its thread is late a second thread fetches the events: more
//! system calls and thread switches than the message itself costs. Here a socket is announced to the system once; what is
//! known of it since is kept in [`Interest`].

use core::cell::{Cell, RefCell};
use core::fmt;
use core::mem::MaybeUninit;
use core::net::SocketAddr;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicU8, Ordering};
use core::task::{Context, Poll, Waker, ready};
use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Wake;
use std::time::Instant;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::net::{SocketFlags, acceptfrom_with, sockopt};

use super::coalescing::{self, Coalescing, PunctualWaits};
use super::timers::{Key, Timers};
use crate::clock;

/// Events fetched in one call.
const EVENTS_MAX: usize = 256;
/// Calls in a row, as long as peers are gone: behind them are those who have something to say.
const FETCHES_MAX: usize = 64;
/// How many are woken at once whose peers are gone. Thousands may go in one moment, and each takes its time.
pub(super) const ENDED_MAX: usize = 32;
/// How many of those that have given way are woken at once. Each may do as much as it may do in one turn.
pub(super) const LATER_MAX: usize = 8;
/// How long tasks with much to do go on, all together, before they let sockets be looked at.
pub(crate) const LOOK_INTERVAL_MAX: Duration = Duration::from_millis(4);
/// What the event of [`Wakeup`] is known by.
const WAKEUP: u64 = u64::MAX;

std::thread_local! {
    /// The reactor of this thread, while [`block_on`] runs on it.
    static REACTOR: RefCell<Option<Rc<Reactor>>> = const { RefCell::new(None) };
}

/// Runs a future, and whatever it waits for, to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    let reactor = Rc::new(Reactor::new()?);
    let punctual = PunctualWaits::begin();
    let before = REACTOR.replace(Some(Rc::clone(&reactor)));
    let waker = Waker::from(Arc::clone(&reactor.wakeup));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    let result = loop {
        // Exchanged, not stored: what other threads have done before they woke us has to be seen by the poll.
        reactor.wakeup.state.swap(RUNNING, Ordering::AcqRel);
        if let Poll::Ready(result) = future.as_mut().poll(&mut cx) {
            break Ok(result);
        }
        if let Err(problem) = reactor.turn() {
            break Err(problem);
        }
    };
    REACTOR.set(before);
    drop(punctual);
    result
}

/// Whether the reactor of this thread waits a moment before it looks at its sockets.
#[cfg(test)]
pub(crate) fn is_coalescing() -> bool {
    Reactor::current().is_some_and(|reactor| reactor.coalescing.borrow().is_on())
}

/// Whether somebody has tried to interrupt a wait of the reactor of this thread.
#[cfg(test)]
pub(super) fn was_interrupted() -> bool {
    Reactor::current().is_some_and(|reactor| rustix::io::read(&reactor.wakeup.event, &mut [0; 8]).is_ok())
}

struct Reactor {
    epoll: OwnedFd,
    wakeup: Arc<Wakeup>,
    interests: RefCell<Interests>,
    timers: RefCell<Timers>,
    coalescing: RefCell<Coalescing>,
    /// The numbers of sockets whose peers are gone, and whose tasks are not woken yet.
    ended: RefCell<VecDeque<u32>>,
    /// The numbers of sockets whose tasks have given way, in that order.
    later: RefCell<VecDeque<u32>>,
    /// When sockets were looked at last.
    looked_at: Cell<Instant>,
}

/// What tasks wait for, by the number that epoll knows it by.
#[derive(Debug, Default)]
struct Interests {
    entries: Vec<Interest>,
    free: Vec<u32>,
}

/// What is known of a socket.
#[derive(Debug, Default)]
struct Interest {
    read: Direction,
    write: Direction,
    /// The peer has ended the stream, or it failed: the system says that once, maybe together with the last bytes.
    is_ended: bool,
    /// Its task has given way, and is to be woken later.
    is_later: bool,
}

#[derive(Debug, Default)]
struct Direction {
    /// Whether it is worth trying.
    is_ready: bool,
    waker: Option<Waker>,
}

impl Direction {
    fn set_ready(&mut self) {
        self.is_ready = true;
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.is_ready {
            return Poll::Ready(());
        }
        self.keep_waker(cx);
        Poll::Pending
    }

    /// It is kept after it was used, because the next wait is the same task's.
    fn keep_waker(&mut self, cx: &Context<'_>) {
        if self.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
    }
}

impl Reactor {
    fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let wakeup = Wakeup {
            event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            state: AtomicU8::new(RUNNING),
        };
        epoll::add(&epoll, &wakeup.event, EventData::new_u64(WAKEUP), EventFlags::IN | EventFlags::ET)?;
        Ok(Self {
            epoll,
            wakeup: Arc::new(wakeup),
            interests: RefCell::default(),
            timers: RefCell::default(),
            coalescing: RefCell::default(),
            ended: RefCell::default(),
            later: RefCell::default(),
            looked_at: Cell::new(clock::instant()),
        })
    }

    fn current() -> Option<Rc<Self>> {
        REACTOR.with_borrow(Option::clone)
    }

    /// Waits for the next events, unless the tasks have something to do, and wakes who waits for them.
    fn turn(&self) -> io::Result<()> {
        let may_sleep = self.wakeup.may_sleep() && self.ended.borrow().is_empty() && self.later.borrow().is_empty();
        let timeout = if may_sleep { self.timeout() } else { Some(Duration::ZERO) };
        if self.coalescing.borrow_mut().look() && timeout != Some(Duration::ZERO) {
            coalescing::wait();
        }
        let mut fetched = self.fetch(timeout)?;
        for _ in 1..FETCHES_MAX {
            if fetched < EVENTS_MAX || self.ended.borrow().is_empty() {
                break;
            }
            fetched = self.fetch(Some(Duration::ZERO))?;
        }
        self.wake_some_ended();
        self.wake_some_later();
        self.fire_timers();
        Ok(())
    }

    /// Waits for events, so long at most, and notes what became of sockets. Returns how many there were.
    fn fetch(&self, timeout: Option<Duration>) -> io::Result<usize> {
        let timeout =
            timeout.map(|duration| Timespec::try_from(duration).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 }));
        let mut events = [MaybeUninit::<Event>::uninit(); EVENTS_MAX];
        let fetched = match epoll::wait(&self.epoll, &mut events[..], timeout.as_ref()) {
            Ok((fetched, _)) => fetched,
            Err(rustix::io::Errno::INTR) => &mut [],
            Err(problem) => return Err(problem.into()),
        };
        // From here on nobody has to interrupt a wait: the tasks run next.
        self.wakeup.state.store(RUNNING, Ordering::Release);
        self.note(fetched);
        Ok(fetched.len())
    }

    /// Wakes who waits for the sockets of events, but for those whose peers are gone.
    fn note(&self, events: &[Event]) {
        let interests = &mut *self.interests.borrow_mut();
        for event in events {
            let (flags, number) = (event.flags, event.data.u64());
            let Some(interest) = usize::try_from(number).ok().and_then(|number| interests.entries.get_mut(number))
            else {
                continue;
            };
            if flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR) {
                interest.is_ended = true;
                interest.read.is_ready = true;
                interest.write.is_ready |= flags.intersects(EventFlags::OUT | EventFlags::HUP | EventFlags::ERR);
                self.ended.borrow_mut().push_back(number as u32);
                continue;
            }
            if flags.intersects(EventFlags::IN) {
                interest.read.set_ready();
            }
            if flags.intersects(EventFlags::OUT) {
                interest.write.set_ready();
            }
        }
    }

    /// Wakes some of those whose peers are gone. A socket that has taken the number of one meanwhile is looked at in vain once.
    fn wake_some_ended(&self) {
        let (interests, ended) = (self.interests.borrow(), &mut *self.ended.borrow_mut());
        for number in ended.drain(..ENDED_MAX.min(ended.len())) {
            let interest = &interests.entries[number as usize];
            for waker in [&interest.read.waker, &interest.write.waker].into_iter().flatten() {
                waker.wake_by_ref();
            }
        }
        if ended.is_empty() {
            // What was taken for thousands is not kept.
            *ended = VecDeque::new();
        }
    }

    /// Wakes some of those that have given way, behind those whom events have woken. A socket that has taken the number of one
    /// meanwhile is left alone, unless it has given way too.
    fn wake_some_later(&self) {
        let (interests, later) = (&mut *self.interests.borrow_mut(), &mut *self.later.borrow_mut());
        for number in later.drain(..LATER_MAX.min(later.len())) {
            let interest = &mut interests.entries[number as usize];
            if core::mem::take(&mut interest.is_later)
                && let Some(waker) = &interest.read.waker
            {
                waker.wake_by_ref();
            }
        }
        if later.is_empty() {
            *later = VecDeque::new();
        }
    }

    /// How long to wait for events at most: rounded up to what epoll counts in, so that no timer is looked at too early.
    fn timeout(&self) -> Option<Duration> {
        let at = self.timers.borrow_mut().first()?;
        let left = at.saturating_duration_since(clock::instant());
        Some(Duration::from_millis(left.as_micros().div_ceil(1_000).try_into().unwrap_or(u64::MAX)))
    }

    fn fire_timers(&self) {
        let now = clock::instant();
        self.looked_at.set(now);
        loop {
            let due = self.timers.borrow_mut().pop(now);
            let Some(waker) = due else { return };
            waker.wake();
        }
    }
}

/// Wakes the thread of the reactor from any thread.
struct Wakeup {
    event: OwnedFd,
    state: AtomicU8,
}

/// Tasks run or are about to.
const RUNNING: u8 = 0;
/// It waits for events.
const SLEEPING: u8 = 1;
/// There is something to do that was not there when the tasks began to run.
const WOKEN: u8 = 2;

impl Wakeup {
    /// Whether there is nothing to do. From then on whoever wakes the reactor has to interrupt its wait.
    fn may_sleep(&self) -> bool {
        self.state.compare_exchange(RUNNING, SLEEPING, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(WOKEN, Ordering::AcqRel) == SLEEPING {
            // Full, it is readable already.
            let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
        }
    }
}

/// A socket that tasks wait for.
pub(crate) struct Source<T> {
    io: T,
    number: u32,
    reactor: Rc<Reactor>,
}

impl<T: AsFd> Source<T> {
    fn new(io: T, reactor: Rc<Reactor>) -> io::Result<Self> {
        let number = {
            let interests = &mut *reactor.interests.borrow_mut();
            let number = interests.free.pop().unwrap_or_else(|| {
                interests.entries.push(Interest::default());
                (interests.entries.len() - 1) as u32
            });
            // Nothing is there to be read until the system says so, but there is room to write.
            let interest = Interest { write: Direction { is_ready: true, waker: None }, ..Interest::default() };
            interests.entries[number as usize] = interest;
            number
        };
        let source = Self { io, number, reactor };
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&source.reactor.epoll, &source.io, EventData::new_u64(number.into()), flags)?;
        Ok(source)
    }
}

impl Source<TcpListener> {
    /// A listener that does not block.
    pub(crate) fn listener(listener: TcpListener) -> io::Result<Self> {
        let reactor = Reactor::current().ok_or(io::ErrorKind::NotConnected)?;
        listener.set_nonblocking(true)?;
        // Connections inherit it. Small packets are what this is about; a system that cannot send them at once still sends them.
        let _ = sockopt::set_tcp_nodelay(&listener, true);
        Self::new(listener, reactor)
    }

    /// The next connection.
    pub(crate) async fn accept(&self) -> io::Result<(Source<TcpStream>, SocketAddr)> {
        let accept = |listener: &TcpListener| {
            let (stream, address) = acceptfrom_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
            let address = address.ok_or(io::ErrorKind::ConnectionAborted)?;
            Ok((TcpStream::from(stream), SocketAddr::try_from(address)?))
        };
        let (stream, address) = core::future::poll_fn(|cx| self.poll_read(cx, accept)).await?;
        Ok((Source::new(stream, Rc::clone(&self.reactor))?, address))
    }
}

impl Source<TcpStream> {
    /// A stream that somebody else has accepted.
    pub(crate) fn connected(stream: TcpStream) -> io::Result<Self> {
        let reactor = Reactor::current().ok_or(io::ErrorKind::NotConnected)?;
        stream.set_nonblocking(true)?;
        // Other streams than TCP's send at once anyway.
        let _ = stream.set_nodelay(true);
        Self::new(stream, reactor)
    }
}

impl<T> Source<T> {
    /// The socket.
    pub(crate) const fn io(&self) -> &T {
        &self.io
    }

    /// Whether it is worth reading.
    pub(crate) fn is_readable(&self) -> bool {
        self.with(|interest| interest.read.is_ready)
    }

    /// Ready when it is worth reading.
    pub(crate) fn poll_readable(&self, cx: &Context<'_>) -> Poll<()> {
        self.with(|interest| interest.read.poll(cx))
    }

    /// Says that a read has found less than it had room for: before the next one there has to be an event.
    pub(crate) fn drained(&self) {
        self.with(|interest| interest.read.is_ready = interest.is_ended);
    }

    /// Wakes who reads again when the others had their turn, also those that have something to say by then: some at a time.
    pub(crate) fn wake_later(&self, cx: &Context<'_>) {
        self.with(|interest| {
            interest.read.keep_waker(cx);
            if !core::mem::replace(&mut interest.is_later, true) {
                self.reactor.later.borrow_mut().push_back(self.number);
            }
        });
    }

    /// Whether who reads has given way, and its turn has not come yet.
    pub(crate) fn is_later(&self) -> bool {
        self.with(|interest| interest.is_later)
    }

    /// Whether sockets were not looked at for longer than those should wait who have something to say.
    pub(crate) fn is_look_due(&self) -> bool {
        clock::instant().saturating_duration_since(self.reactor.looked_at.get()) > LOOK_INTERVAL_MAX
    }

    /// Says how many messages were read at once.
    pub(crate) fn has_read(&self, messages: usize) {
        self.reactor.coalescing.borrow_mut().note(self.number, messages);
    }

    /// Reads by `read` when there is something.
    pub(crate) fn poll_read<R>(
        &self,
        cx: &Context<'_>,
        mut read: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            ready!(self.with(|interest| interest.read.poll(cx)));
            match read(&self.io) {
                Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => {
                    self.with(|interest| interest.read.is_ready = false);
                }
                Err(problem) if problem.kind() == io::ErrorKind::Interrupted => {}
                done => return Poll::Ready(done),
            }
        }
    }

    /// Writes by `write` when there is room.
    pub(crate) fn poll_write<R>(
        &self,
        cx: &Context<'_>,
        mut write: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            ready!(self.with(|interest| interest.write.poll(cx)));
            match write(&self.io) {
                Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => {
                    self.with(|interest| interest.write.is_ready = false);
                }
                Err(problem) if problem.kind() == io::ErrorKind::Interrupted => {}
                done => return Poll::Ready(done),
            }
        }
    }

    fn with<R>(&self, look: impl FnOnce(&mut Interest) -> R) -> R {
        look(&mut self.reactor.interests.borrow_mut().entries[self.number as usize])
    }
}

impl<T> Drop for Source<T> {
    fn drop(&mut self) {
        // Closed, the socket is forgotten by the system. An event that is fetched already finds its successor, at worst,
        // which looks in vain once.
        let interest = {
            let interests = &mut *self.reactor.interests.borrow_mut();
            interests.free.push(self.number);
            core::mem::take(&mut interests.entries[self.number as usize])
        };
        drop(interest);
    }
}

impl<T: fmt::Debug> fmt::Debug for Source<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("io", &self.io).field("number", &self.number).finish_non_exhaustive()
    }
}

/// Ready at a time. It costs nothing until it is waited for.
#[derive(Debug)]
pub(crate) struct Timer {
    when: When,
    waiting: Option<Waiting>,
}

#[derive(Clone, Copy, Debug)]
enum When {
    After(Duration),
    At(Instant),
}

/// The place of a timer that is waited for.
struct Waiting {
    key: Key,
    /// The one that will be woken.
    waker: Waker,
    reactor: Rc<Reactor>,
}

impl Timer {
    /// Ready so long after it is first waited for.
    pub(crate) const fn after(duration: Duration) -> Self {
        Self { when: When::After(duration), waiting: None }
    }

    /// Ready at `at`.
    pub(crate) const fn at(at: Instant) -> Self {
        Self { when: When::At(at), waiting: None }
    }

    /// Ready so long from now, or from when it is waited for the next time. It keeps its place: to find out later that it was put
    /// off is cheaper than to look for another each time.
    pub(crate) fn restart(&mut self, duration: Duration) {
        self.when = When::After(duration);
    }

    /// As [`Self::restart`], but ready at `at`.
    pub(crate) fn restart_at(&mut self, at: Instant) {
        self.when = When::At(at);
    }

    /// Takes a place, unless the time is later than the clock can count.
    fn begin(&mut self, at: Instant, waker: Waker) {
        // Without a reactor nothing can wake anybody: only the server's own tasks have timers.
        let Some(reactor) = Reactor::current() else { return };
        let key = reactor.timers.borrow_mut().insert(at, waker.clone());
        self.waiting = Some(Waiting { key, waker, reactor });
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let at = match self.when {
            When::At(at) => at,
            When::After(duration) => {
                let Some(at) = clock::instant().checked_add(duration) else { return Poll::Pending };
                self.when = When::At(at);
                at
            }
        };
        if let Some(waiting) = &self.waiting {
            // Its place is too late only if it was restarted with less time.
            let is_good = waiting.key.at() <= at && waiting.waker.will_wake(cx.waker());
            let is_waiting = waiting.reactor.timers.borrow().is_waiting(waiting.key);
            if is_waiting && is_good {
                return Poll::Pending;
            }
            if !is_waiting && clock::instant() >= at {
                return Poll::Ready(());
            }
        }
        self.waiting = None;
        self.begin(at, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let waker = self.reactor.timers.borrow_mut().remove(self.key);
        drop(waker);
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("key", &self.key).finish_non_exhaustive()
    }
}
