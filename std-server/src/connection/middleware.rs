//! Requests on their way through the middlewares of the application.

use core::net::SocketAddr;

use sprat_core::wire::http::RequestHead;
use sprat_core::{Answer, Refusal, Response};

use crate::connection::incoming::Incoming;
use crate::connection::request::{Request, handshake};
use crate::hooks::{ConnectionError, EngineRequest, Hooks, MiddlewareAnswer, Step};

/// What ends a request before the engine sees it.
pub(super) enum Stop {
    Answered(MiddlewareAnswer),
    Failed,
    /// The client went away meanwhile.
    Gone,
}

impl Stop {
    /// What the request is answered, and with which body.
    pub(super) fn response(self, request: &mut Request) -> Option<(Response, Vec<u8>)> {
        let is_websocket = request.websocket.is_some();
        match self {
            Self::Answered(answer) => {
                let status = if (200..600).contains(&answer.status) { answer.status } else { 500 };
                request.fields.always.push_str(&answer.headers.into_lines());
                let response = Response { status, content_type: None, body: "", close: is_websocket };
                Some((response, answer.body))
            }
            Self::Failed => {
                let response = Answer::Refuse(Refusal::BadRequest).response(is_websocket)?;
                Some((response, response.body.into()))
            }
            Self::Gone => None,
        }
    }
}

/// What the middlewares have to know of a request; `None` if there are none.
pub(super) fn about(head: &RequestHead<'_>, address: SocketAddr, hooks: &Hooks) -> Option<EngineRequest> {
    (!hooks.middlewares.is_empty()).then(|| EngineRequest::new(head.method(), handshake(head, address)))
}

/// Asks them one after the other. Header fields that they want are noted in `request`.
pub(super) async fn ask(
    about: EngineRequest,
    hooks: &Hooks,
    incoming: &mut Incoming,
    request: &mut Request,
) -> Option<Stop> {
    for middleware in &hooks.middlewares {
        let step = middleware(about.clone());
        let gone = async {
            incoming.until_gone().await;
            None
        };
        match smol::future::or(async { Some(step.await) }, gone).await {
            Some(Step::Next) => {}
            Some(Step::NextWith(headers)) => {
                // As with CORS, a refused upgrade is answered without them.
                let is_websocket = request.websocket.is_some();
                let fields = if is_websocket { &mut request.fields.success } else { &mut request.fields.always };
                fields.push_str(&headers.into_lines());
            }
            Some(Step::Answer(answer)) => return Some(Stop::Answered(answer)),
            Some(Step::Fail) => {
                if let Some(told) = &hooks.connection_error {
                    told(&ConnectionError::failed_middleware(about.head().clone()));
                }
                return Some(Stop::Failed);
            }
            None => return Some(Stop::Gone),
        }
    }
    None
}
