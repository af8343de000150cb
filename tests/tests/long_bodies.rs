//! Long bodies of POSTs come in parts, so that what they cause is sent in between (row T7 of the measured facts).

use sprat_core::{Input, RequestId, SessionId};
use sprat_tests::driver::head;
use sprat_tests::{Bench, Body, Exchange};

/// A POST whose body is awaited.
fn begin(bench: &mut Bench, sid: &str) -> (Exchange, RequestId, SessionId) {
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    let post = bench.request(&head("POST", &target, &[("Content-Length", "9")]), Body::Later);
    (post, bench.request_id(post), bench.session(post).expect("its body is wanted"))
}

#[test]
fn the_parts_of_a_body_are_one_post_with_one_answer() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let (post, request, session) = begin(&mut bench, &sid);
    bench.input(Input::BodyPart { request, session, body: b"421[\"echo\"]\x1e422[\"echo\"]" });
    assert!(bench.answer(post).is_none(), "it is not over");
    bench.input(Input::Body { request, session, body: b"423[\"echo\"]" });
    assert_eq!(bench.http(post), (200, "ok".into()));
    assert_eq!(bench.pull(&sid), "431[]\x1e432[]\x1e433[]");
}

#[test]
fn a_part_that_ends_the_session_ends_the_post_as_well() {
    let mut bench = Bench::plain();
    let (sid, _) = bench.connect_polling();
    let (post, request, session) = begin(&mut bench, &sid);
    bench.input(Input::BodyPart { request, session, body: b"9" });
    assert_eq!(bench.http(post), (200, "ok".into()));
    bench.input(Input::Body { request, session, body: b"421[\"echo\"]" });
    assert_eq!(bench.reasons(), ["parse error"]);
}
