//! Connection state recovery where the application has a say in who comes back (Socket.IO server, option `skipMiddlewares`).

use sprat_core::app::{Connect, Payload};
use sprat_core::time::Duration;
use sprat_core::{App, CloseReason, Context, Decision, Limits, SessionId, SocketId, Target};
use sprat_tests::driver::sid_of;
use sprat_tests::{Driver, Frame, Line, memory};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Accept,
    Disconnect,
    Pending,
    Refuse,
}

/// Decides about those who come back, and counts those who are new.
struct Doorman {
    says: Says,
    new: usize,
}

impl App for Doorman {
    fn on_connect(&mut self, _: &mut dyn Context, _: SocketId, _: &Connect<'_>) -> Decision<'_> {
        self.new += 1;
        Decision::Accept
    }

    fn on_return(
        &mut self,
        context: &mut dyn Context,
        socket: SocketId,
        session: SessionId,
        connect: &Connect<'_>,
    ) -> Decision<'_> {
        assert_eq!((context.session(socket), connect.namespace), (None, "/"));
        assert!(context.socket_id(socket).is_some() && session.index() == 0);
        match self.says {
            Says::Accept => Decision::Accept,
            Says::Disconnect => {
                context.disconnect(socket, false);
                Decision::Accept
            }
            Says::Pending => Decision::Pending,
            Says::Refuse => Decision::Refuse { message: "no", data: Some("1") },
        }
    }
}

type Bench = Driver<Doorman, memory::Memory>;

fn texts(bench: &mut Bench, line: Line) -> Vec<String> {
    let frames = bench.all(line).into_iter();
    frames.map(|frame| if let Frame::Text(text) = frame { text } else { panic!("{frame:?}") }).collect()
}

#[test]
fn who_comes_back_is_let_in_refused_or_starts_anew_as_the_application_says() {
    for says in [Says::Accept, Says::Disconnect, Says::Pending, Says::Refuse] {
        let limits = Limits { recovery_timeout: Duration::from_ms(120_000), ..Limits::default() };
        let mut bench = Driver::new(Doorman { says, new: 0 }, memory::roomy(3), limits);
        let (line, _) = bench.open_websocket();
        bench.send_text(line, "40");
        bench.enter(|_, context| context.emit(Target::all(), "n", Payload::json("1"))).expect("there is room");
        let first = texts(&mut bench, line);
        let sid = sid_of(&first[0]).to_owned();
        let [pid, offset] = [&first[0], &first[1]].map(|text| text.rsplit('"').nth(1).expect("a string").to_owned());
        bench.lose_line(line, CloseReason::TransportClose);
        bench.enter(|_, context| context.emit(Target::all(), "n", Payload::json("2"))).expect("there is room");

        let (line, _) = bench.open_websocket();
        let connect = format!(r#"40{{"pid":"{pid}","offset":"{offset}"}}"#);
        bench.send_text(line, &connect);
        let mut answer = texts(&mut bench, line);
        let new = bench.enter(|app, _| app.new);
        match says {
            Says::Accept => {
                assert_eq!((new, answer.len(), sid_of(&answer[1])), (1, 2, sid.clone()));
            }
            Says::Disconnect | Says::Pending => {
                assert_eq!((new, answer.len()), (2, 1), "{answer:?}");
                assert_ne!(sid_of(&answer[0]), sid);
            }
            Says::Refuse => {
                assert_eq!(answer, [r#"44{"message":"no","data":1}"#]);
                // It may try again.
                bench.enter(|app, _| app.says = Says::Accept);
                bench.send_text(line, &connect);
                answer = texts(&mut bench, line);
                assert_eq!(sid_of(&answer[1]), sid);
            }
        }
    }
}
