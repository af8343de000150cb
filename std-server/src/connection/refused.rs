//! Requests that are refused before anybody is asked: malformed, of an address that has enough, or of another site's page.

use core::net::SocketAddr;
use std::io;

use sprat_core::wire::http::RequestHead;
use sprat_core::{App, Response, reason_phrase};

use crate::connection::http::{Connection, Next, Site};
use crate::connection::request::Request;
use crate::logging::{Notice, notice};
use crate::peers::Refused;

/// The answer to a WebSocket of a page that may have none (RFC 6455, section 4.2.2, step 4).
const OTHER_SITE: Response =
    Response { status: 403, content_type: Some("text/html"), body: "Origin not allowed", close: true };

impl<A: App> Site<A> {
    /// Whether the page that a request is from may open a WebSocket. A proxy may have put another host into its place. Of
    /// several origins, which no browser names, each must be one that may.
    pub(super) fn admits_page(&self, head: &RequestHead<'_>, address: SocketAddr) -> bool {
        if head.origin().is_none() {
            return true;
        }
        let host = head.header("x-forwarded-host").filter(|_| self.peers.is_trusted(address.ip()));
        let host = host.or(head.header("host"));
        let mut origins = head.fields().filter(|(name, _)| name.eq_ignore_ascii_case(b"origin"));
        origins.all(|(_, origin)| self.cors.admits(Some(origin), host))
    }
}

impl<A: App> Connection<A> {
    /// Refuses what is no request, or comes too slowly.
    pub(super) async fn refuse_head(&mut self, status: u16) -> Next {
        let reason = reason_phrase(status);
        notice(Notice::Request, format_args!("request of {} refused: {status} {reason}", self.client.ip()));
        let response = Response { status, content_type: None, body: "", close: true };
        let mut bytes = Vec::new();
        let date = self.site.date.field();
        response.encode_head(0, false, &[date.as_bytes()], &mut |piece| bytes.extend_from_slice(piece));
        if self.write(&bytes).await.is_ok() { Next::Linger } else { Next::Drop }
    }

    /// Refuses a request because of the address that it is from.
    pub(super) async fn refuse(&mut self, len: usize, refused: Refused, request: &mut Request) -> io::Result<Next> {
        self.incoming.consume(len);
        let kind = if refused == Refused::Handshakes { Notice::Handshake } else { Notice::Connection };
        notice(kind, format_args!("request of {} refused: {refused}", self.client.ip()));
        let is_websocket = request.websocket.is_some();
        let content_type = Some(if is_websocket { "text/html" } else { "application/json" });
        let response = Response { status: refused.status(), content_type, body: "", close: is_websocket };
        let body = if is_websocket {
            refused.message().to_owned()
        } else {
            format!(r#"{{"code":4,"message":"{}"}}"#, refused.message())
        };
        self.respond(&response, body.as_bytes(), request).await
    }

    /// Refuses a WebSocket to a page of another site.
    pub(super) async fn refuse_page(&mut self, len: usize, request: &mut Request) -> io::Result<Next> {
        notice(Notice::Origin, format_args!("WebSocket of {} refused: it is another site's", self.client.ip()));
        self.incoming.consume(len);
        self.respond(&OTHER_SITE, OTHER_SITE.body.as_bytes(), request).await
    }
}
