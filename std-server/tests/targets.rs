//! Whom a handler can mean and what it can do to them, over loopback (rows of sections 1e to 1g of the measured facts).

#[path = "io/client.rs"]
mod client;

use client::{Client, Running, serve};
use smol::block_on;

/// Clients in `/`, those that came first in front.
async fn clients(server: &Running, count: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(server.join().await);
    }
    clients
}

#[test]
fn a_handler_moves_counts_and_names_whom_it_means() {
    let server = serve(|io| {
        io.on("gather", |socket, (), ack| {
            socket.everybody().join("all");
            let mut ids = socket.everybody().to("all").ids();
            ids.sort();
            ack.send(socket, ids);
        });
        io.on("scatter", |socket, (), ack| {
            socket.to("all").leave("all");
            let left = socket.everybody().to("all").count();
            let outside = socket.everybody().except("all").count();
            ack.send(socket, (left, outside));
        });
    });
    block_on(async {
        let mut clients = clients(&server, 3).await;
        let mut ids: Vec<String> = clients.iter().map(|client| format!("{:?}", client.id)).collect();
        ids.sort();
        assert_eq!(clients[1].ask(r#"["gather"]"#).await, format!("[[{}]]", ids.join(",")));
        assert_eq!(clients[1].ask(r#"["scatter"]"#).await, "[1,2]");
    });
}

#[test]
fn a_handler_disconnects_whom_it_means() {
    let server = serve(|io| {
        io.on("alone", |socket, close: bool, ack| {
            socket.others().disconnect(close);
            ack.send(socket, ());
        });
    });
    block_on(async {
        for close in [false, true] {
            let mut clients = clients(&server, 3).await;
            assert_eq!(clients[0].ask(&format!(r#"["alone",{close}]"#)).await, "[]");
            for client in &mut clients[1..] {
                assert_eq!(client.receive().await, "1");
                if close {
                    client.ended().await;
                } else {
                    client.join("/", "").await;
                }
            }
        }
    });
}

#[test]
fn the_flags_local_and_compress_change_nothing_for_clients_on_websockets() {
    let server = serve(|io| {
        io.on("flags", |socket, (), _ack| {
            socket.to("nobody").local().compress(false).emit("never", ());
            socket.others().local().compress(true).emit("local", 1);
            socket.everybody().compress(false).local().emit("local", 2);
        });
    });
    block_on(async {
        let mut clients = clients(&server, 2).await;
        clients[0].send(r#"2["flags"]"#).await;
        assert_eq!(clients[0].receive().await, r#"2["local",2]"#);
        assert_eq!(clients[1].receive().await, r#"2["local",1]"#);
        assert_eq!(clients[1].receive().await, r#"2["local",2]"#);
        let handle = &server.handle;
        handle.everybody().local().compress(true).emit("handle", ()).await.unwrap();
        for client in &mut clients {
            assert_eq!(client.receive().await, r#"2["handle"]"#);
        }
    });
}

#[test]
fn send_is_the_event_message() {
    let server = serve(|io| {
        io.on("message", |socket, text: String, _ack| socket.send((text, true)));
    });
    block_on(async {
        let mut client = server.join().await;
        client.send(r#"2["message","hi"]"#).await;
        assert_eq!(client.receive().await, r#"2["message","hi",true]"#);
    });
}
