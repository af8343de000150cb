//! One server, any number of clients, a link between them with delays, and a clock that jumps to whatever comes next.

use std::collections::BTreeMap;

use sprat_core::memory::{Memory, Resources};
use sprat_core::{App, CloseReason, Context, Limits};

use crate::chance::Chance;
use crate::client::{Act, Frame, Kind, Plan, SimClient, Stage};
use crate::driver::{Body, Driver, Exchange, Line, News};

/// The number of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Client(usize);

/// How long things take on their way. What is sent on one connection arrives in order.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// The shortest delay.
    pub delay_min_ms: u64,
    /// The longest delay.
    pub delay_max_ms: u64,
}

impl Link {
    /// Everything arrives at the moment it is sent.
    pub const INSTANT: Self = Self { delay_min_ms: 0, delay_max_ms: 0 };
}

#[derive(Debug)]
enum Event {
    Down(Client, Down),
    Up(Client, Act),
}

#[derive(Debug)]
enum Down {
    Answered(Exchange, Kind),
    Closed(Line),
    Message(Frame),
}

/// The world.
pub struct World<A: App, M: Memory> {
    /// The server with its driver; tests may use it directly as well.
    pub driver: Driver<A, M>,
    clients: Vec<SimClient>,
    link: Link,
    chance: Chance,
    queue: BTreeMap<(u64, u64), Event>,
    queued: u64,
    owners: BTreeMap<Exchange, (Client, Kind)>,
    line_owners: BTreeMap<Line, Client>,
    /// When the last thing on each connection arrives, by client, connection and direction.
    last_ms: BTreeMap<(Client, u8, bool), u64>,
}

impl<A: App> World<A, crate::memory::Memory> {
    /// A world with room for more than a test needs, the default limits and no delays.
    pub fn new(app: A) -> Self {
        Self::with(app, crate::memory::roomy(1), Limits::default(), Link::INSTANT, 1)
    }
}

impl<A: App, M: Memory> World<A, M> {
    /// A world with everything chosen.
    pub fn with(app: A, resources: Resources<M>, limits: Limits, link: Link, seed: u64) -> Self {
        Self {
            driver: Driver::new(app, resources, limits),
            clients: Vec::new(),
            link,
            chance: Chance::new(seed),
            queue: BTreeMap::new(),
            queued: 0,
            owners: BTreeMap::new(),
            line_owners: BTreeMap::new(),
            last_ms: BTreeMap::new(),
        }
    }

    /// A client, by its number.
    pub fn client(&self, client: Client) -> &SimClient {
        &self.clients[client.0]
    }

    /// A client, by its number.
    pub fn client_mut(&mut self, client: Client) -> &mut SimClient {
        &mut self.clients[client.0]
    }

    /// All clients there ever were.
    pub fn clients(&self) -> impl Iterator<Item = (Client, &SimClient)> {
        self.clients.iter().enumerate().map(|(at, client)| (Client(at), client))
    }

    /// A client sets out to join `/`.
    pub fn start(&mut self, plan: Plan, auth: Option<&str>) -> Client {
        let mut sim = SimClient::new(plan, auth);
        let acts = sim.start();
        let client = Client(self.clients.len());
        self.clients.push(sim);
        self.act(client, acts);
        client
    }

    /// A client joins `/`.
    ///
    /// # Panics
    /// If it cannot.
    pub fn join(&mut self, plan: Plan) -> Client {
        let client = self.start(plan, None);
        self.settle();
        assert!(self.client(client).is_connected(), "{:?}", self.client(client));
        client
    }

    /// A client sends the text of a Socket.IO packet.
    pub fn send(&mut self, client: Client, packet: &str) {
        self.send_binary(client, packet, &[]);
    }

    /// A client sends a Socket.IO packet with its attachments.
    pub fn send_binary(&mut self, client: Client, packet: &str, attachments: &[&[u8]]) {
        let acts = self.clients[client.0].send(packet, attachments);
        self.act(client, acts);
    }

    /// A client sends an event in `/`: `list` is its name and arguments as raw JSON, separated by commas.
    pub fn emit(&mut self, client: Client, list: &str) {
        self.send(client, &format!("2[{list}]"));
    }

    /// A client sends an event in `/` and wants an acknowledgement; its number.
    pub fn ask(&mut self, client: Client, list: &str) -> u64 {
        let id = self.clients[client.0].new_ack();
        self.send(client, &format!("2{id}[{list}]"));
        id
    }

    /// A client asks, and the answer comes: its arguments.
    ///
    /// # Panics
    /// If it does not come.
    pub fn call(&mut self, client: Client, list: &str) -> String {
        let id = self.ask(client, list);
        self.settle();
        let acks = &self.client(client).acks;
        acks.iter().find(|ack| ack.0 == id).expect("an acknowledgement").1.clone()
    }

    /// A client says goodbye.
    pub fn leave(&mut self, client: Client) {
        let acts = self.clients[client.0].leave();
        self.act(client, acts);
    }

    /// A client's connections break, as far as it has any.
    pub fn vanish(&mut self, client: Client) {
        self.clients[client.0].stage = Stage::Gone;
        self.queue.retain(|_, event| !matches!(event, Event::Up(sender, _) if *sender == client));
        let lines = self.line_owners.iter().filter(|(_, owner)| **owner == client);
        let lines: Vec<Line> = lines.map(|(line, _)| *line).filter(|line| !self.driver.is_closed(*line)).collect();
        for line in lines {
            self.driver.lose_line(line, CloseReason::TransportError);
        }
        let waiting = self.owners.iter().filter(|(exchange, owner)| {
            owner.0 == client && self.driver.answer(**exchange).is_none() && self.driver.session(**exchange).is_some()
        });
        let waiting: Vec<Exchange> = waiting.map(|(exchange, _)| *exchange).collect();
        for exchange in waiting {
            if self.driver.answer(exchange).is_none() {
                self.driver.lose_request(exchange);
            }
        }
        self.collect();
    }

    /// Acts as the application.
    pub fn enter<R>(&mut self, act: impl FnOnce(&mut A, &mut dyn Context) -> R) -> R {
        let result = self.driver.enter(act);
        self.collect();
        result
    }

    /// Lets everything arrive that is on its way, and all that follows from it.
    pub fn settle(&mut self) {
        while let Some((&(at_ms, _), _)) = self.queue.first_key_value() {
            self.step(at_ms);
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, ms: u64) {
        let end_ms = self.driver.now_ms() + ms;
        while let Some(at_ms) = self.next_ms().filter(|at_ms| *at_ms <= end_ms) {
            self.step(at_ms);
        }
        self.driver.jump(end_ms);
        self.collect();
    }

    /// When the next thing happens.
    fn next_ms(&self) -> Option<u64> {
        let arrival = self.queue.first_key_value().map(|(&(at_ms, _), _)| at_ms);
        let deadline = self.driver.server().deadline().map(sprat_core::time::Instant::as_ms);
        arrival.into_iter().chain(deadline).min()
    }

    /// Lets happen what happens first, at `at_ms` at the latest.
    fn step(&mut self, at_ms: u64) {
        if let Some(due) = self.driver.server().deadline().filter(|due| due.as_ms() <= at_ms) {
            self.driver.jump(due.as_ms());
            return self.collect();
        }
        let Some(((at_ms, _), event)) = self.queue.pop_first() else { return };
        if at_ms > self.driver.now_ms() {
            self.driver.jump(at_ms);
        }
        match event {
            Event::Down(client, down) => self.arrive(client, down),
            Event::Up(client, act) => self.arrive_at_server(client, act),
        }
        self.collect();
    }

    fn arrive(&mut self, client: Client, down: Down) {
        let sim = &mut self.clients[client.0];
        if sim.stage == Stage::Gone {
            return;
        }
        let acts = match down {
            Down::Answered(exchange, kind) => {
                let answered = self.driver.answer(exchange).expect("it was answered");
                sim.on_answer(kind, answered)
            }
            Down::Closed(line) if sim.line() == Some(line) => sim.on_closed(),
            Down::Closed(_) => Vec::new(),
            Down::Message(frame) => sim.on_frame(&frame),
        };
        self.act(client, acts);
    }

    fn arrive_at_server(&mut self, client: Client, act: Act) {
        match act {
            Act::Close(line) => {
                if !self.driver.is_closed(line) {
                    self.driver.lose_line(line, CloseReason::TransportClose);
                }
            }
            Act::Request(kind, head, body) => {
                let body = body.map_or(Body::None, |body| Body::Ready(body.into_bytes()));
                // The answer may come before the call returns; it is collected afterwards.
                let exchange = self.driver.request(&head, body);
                self.owners.insert(exchange, (client, kind));
            }
            Act::Send(line, frame) if !self.driver.is_closed(line) => match frame {
                Frame::Binary(bytes) => self.driver.send_binary(line, &bytes),
                Frame::Text(text) => self.driver.send_text(line, &text),
            },
            Act::Send(..) => {}
        }
    }

    /// Sends on to clients what the server did.
    fn collect(&mut self) {
        while let Some(news) = self.driver.news.pop_front() {
            match news {
                News::Answered(exchange) => {
                    let Some(&(client, kind)) = self.owners.get(&exchange) else { continue };
                    if let Some(crate::driver::Answered::WebSocket(line)) = self.driver.answer(exchange) {
                        self.line_owners.insert(*line, client);
                    }
                    self.post(Event::Down(client, Down::Answered(exchange, kind)));
                }
                News::Closed(line) => {
                    if let Some(&client) = self.line_owners.get(&line) {
                        self.post(Event::Down(client, Down::Closed(line)));
                    }
                }
                News::Message(line) => {
                    let Some(&client) = self.line_owners.get(&line) else { continue };
                    if let Some(frame) = self.driver.receive(line) {
                        self.post(Event::Down(client, Down::Message(frame)));
                    }
                }
            }
        }
    }

    fn act(&mut self, client: Client, acts: Vec<Act>) {
        for act in acts {
            self.post(Event::Up(client, act));
        }
    }

    /// Puts something on its way.
    fn post(&mut self, event: Event) {
        let (client, connection, down) = match &event {
            Event::Down(client, Down::Answered(_, kind)) => (*client, *kind as u8, true),
            Event::Down(client, Down::Closed(_) | Down::Message(_)) => (*client, Kind::WebSocket as u8, true),
            Event::Up(client, Act::Close(_) | Act::Send(..)) => (*client, Kind::WebSocket as u8, false),
            Event::Up(client, Act::Request(kind, ..)) => (*client, *kind as u8, false),
        };
        let spread_ms = self.link.delay_max_ms - self.link.delay_min_ms + 1;
        let delay_ms = self.link.delay_min_ms + self.chance.below(spread_ms);
        let last_ms = self.last_ms.entry((client, connection, down)).or_default();
        *last_ms = (*last_ms).max(self.driver.now_ms() + delay_ms);
        self.queued += 1;
        self.queue.insert((*last_ms, self.queued), event);
    }
}
