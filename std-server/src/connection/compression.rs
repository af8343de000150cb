//! Compressed answers of long polling (Engine.IO server, option `httpCompression`).

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::pages::Coding;

/// From this length on a body is compressed beside the server's thread, which serves the other clients meanwhile.
const ASIDE_BYTES_MIN: usize = 64 << 10;

/// A body in a coding that the client takes. It is short, and the client waits: speed counts more than the last byte.
pub(super) async fn compress(body: Vec<u8>, coding: Coding) -> std::io::Result<Vec<u8>> {
    if body.len() < ASIDE_BYTES_MIN {
        return encode(&body, coding);
    }
    smol::unblock(move || encode(&body, coding)).await
}

fn encode(body: &[u8], coding: Coding) -> std::io::Result<Vec<u8>> {
    let compressed = Vec::with_capacity(body.len() / 4);
    match coding {
        // What HTTP calls deflate is the format of zlib (RFC 9110, section 8.4.1.2).
        Coding::Deflate => {
            let mut encoder = ZlibEncoder::new(compressed, Compression::fast());
            encoder.write_all(body)?;
            encoder.finish()
        }
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(compressed, Compression::fast());
            encoder.write_all(body)?;
            encoder.finish()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn both_codings_give_the_body_back() {
        for len in [0, 1, 1_024, 100_000] {
            let body: Vec<u8> = (0..len).map(|at| b'a' + (at % 7) as u8).collect();
            for coding in [Coding::Deflate, Coding::Gzip] {
                let compressed = smol::block_on(compress(body.clone(), coding)).unwrap();
                let mut restored = Vec::new();
                match coding {
                    Coding::Deflate => flate2::read::ZlibDecoder::new(&compressed[..]).read_to_end(&mut restored),
                    Coding::Gzip => flate2::read::GzDecoder::new(&compressed[..]).read_to_end(&mut restored),
                }
                .unwrap();
                assert_eq!(restored, body);
            }
        }
    }
}
