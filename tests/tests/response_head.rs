//! The heads of answers, byte for byte as both drivers send them (row E15 of the measured facts).

use sprat_core::{Answer, Refusal};

const DATE: &[u8] = b"\r\nDate: Tue, 24 Nov 2026 18:00:00 GMT";

/// The whole answer to a request.
fn answer(answer: Answer, websocket: bool) -> String {
    let response = answer.response(websocket).expect("an answer in HTTP");
    let mut bytes = Vec::new();
    response.encode_head(response.body.len(), true, &[DATE], &mut |piece| bytes.extend_from_slice(piece));
    bytes.extend_from_slice(response.body.as_bytes());
    String::from_utf8(bytes).expect("HTTP here is ASCII")
}

fn expected(lines: &[&str], body: &str) -> String {
    format!("{}\r\n\r\n{body}", lines.join("\r\n"))
}

const DATE_LINE: &str = "Date: Tue, 24 Nov 2026 18:00:00 GMT";

#[test]
fn the_answer_to_a_poll_is_text_that_nobody_stores() {
    let head = [
        "HTTP/1.1 200 OK",
        "Content-Type: text/plain; charset=UTF-8",
        "Content-Length: 1",
        "cache-control: no-store",
        DATE_LINE,
        "Connection: keep-alive",
    ];
    assert_eq!(answer(Answer::Body("6"), false), expected(&head, "6"));
}

#[test]
fn the_answer_to_a_post_is_ok_as_html() {
    let head = [
        "HTTP/1.1 200 OK",
        "Content-Type: text/html",
        "Content-Length: 2",
        "cache-control: no-store",
        DATE_LINE,
        "Connection: keep-alive",
    ];
    assert_eq!(answer(Answer::Ok, false), expected(&head, "ok"));
}

#[test]
fn an_error_is_json_and_the_connection_stays() {
    let body = r#"{"code":1,"message":"Session ID unknown"}"#;
    let head = [
        "HTTP/1.1 400 Bad Request",
        "Content-Type: application/json",
        "Content-Length: 41",
        DATE_LINE,
        "Connection: keep-alive",
    ];
    assert_eq!(answer(Answer::Refuse(Refusal::SessionUnknown), false), expected(&head, body));
    for status in [400, 413, 500] {
        let answer = answer(Answer::Status(status), false);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("\r\nContent-Length: 0\r\n"), "{answer}");
        assert!(!answer.contains("Content-Type"), "{answer}");
    }
}

#[test]
fn an_error_of_a_websocket_is_a_bare_message_and_the_connection_ends() {
    let head =
        ["HTTP/1.1 400 Bad Request", "Content-Type: text/html", "Content-Length: 18", DATE_LINE, "Connection: close"];
    assert_eq!(answer(Answer::Refuse(Refusal::SessionUnknown), true), expected(&head, "Session ID unknown"));
}

#[test]
fn a_full_server_says_when_to_come_back() {
    for websocket in [false, true] {
        let answer = answer(Answer::Refuse(Refusal::TooManyClients), websocket);
        assert!(
            answer.starts_with("HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"),
            "{answer}"
        );
        assert!(answer.contains("\r\nRetry-After: "), "{answer}");
        assert!(answer.ends_with("\r\n\r\n{\"code\":4,\"message\":\"Too many clients\"}"), "{answer}");
    }
}
