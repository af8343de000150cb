//! Clients that the application does not let in.

use sprat_core::{Refusal, Response};

/// Why the application does not let a client in.
pub(super) enum Denied {
    Forbidden(String),
    /// It went away before that was decided.
    Gone,
    WithoutId,
}

impl Denied {
    /// As the official server answers it (Engine.IO server, error codes).
    pub(super) fn response(self, is_websocket: bool) -> Option<(Response, String)> {
        let (status, code, message) = match self {
            Self::Gone => return None,
            Self::Forbidden(message) => (403, 4, if message.is_empty() { "Forbidden".to_owned() } else { message }),
            Self::WithoutId => (400, 3, Refusal::BadRequest.message().to_owned()),
        };
        if is_websocket {
            let response = Response { status: 400, content_type: Some("text/html"), body: "", close: true };
            return Some((response, message));
        }
        let response = Response { status, content_type: Some("application/json"), body: "", close: false };
        Some((response, format!(r#"{{"code":{code},"message":{}}}"#, serde_json::Value::from(message))))
    }
}
