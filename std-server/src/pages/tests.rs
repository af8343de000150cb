//! Pages from outside: requests in, responses out; embedded and from folders.

use super::*;
use std::fs;
use std::io::Read as _;
use std::path::PathBuf;

fn get<'a>(target: &'a str) -> PageRequest<'a> {
    PageRequest { method: "GET", target, ..PageRequest::default() }
}

fn respond(pages: &Pages, request: &PageRequest<'_>) -> PageResponse {
    smol::block_on(pages.respond(request))
}

fn embedded() -> Pages {
    Pages::new("/socket.io")
}

fn header<'a>(response: &'a PageResponse, name: &str) -> Option<&'a str> {
    let mut values = response.headers.iter().filter(|(key, _)| *key == name).map(|(_, value)| value.as_ref());
    let value = values.next();
    assert_eq!(values.next(), None, "{name} twice");
    value
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

#[test]
fn the_page_and_its_files_are_served_with_their_types() {
    for (target, name, media_type) in [
        ("/", "index.html", "text/html; charset=utf-8"),
        ("/index.html", "index.html", "text/html; charset=utf-8"),
        ("/chat.js?v=2", "chat.js", "application/javascript; charset=utf-8"),
        ("/chat%2ecss", "chat.css", "text/css; charset=utf-8"),
    ] {
        let response = respond(&embedded(), &get(target));
        let page = lookup(target).unwrap();
        assert_eq!((response.status, page.name), (200, name));
        assert_eq!(header(&response, "Content-Type"), Some(media_type));
        assert_eq!(response.body, page.plain.bytes);
        assert_eq!(header(&response, "Content-Length"), Some(page.plain.bytes.len().to_string().as_str()));
        assert_eq!(header(&response, "X-Content-Type-Options"), Some("nosniff"));
        assert_eq!(header(&response, "Referrer-Policy"), Some("no-referrer"));
        assert_eq!(header(&response, "Cache-Control"), Some("no-cache"));
        assert_eq!(header(&response, "Vary"), Some("Accept-Encoding"));
        assert_eq!(header(&response, "Content-Security-Policy").is_some(), name == "index.html");
    }
}

#[test]
fn compressed_pages_are_the_same_pages_under_another_tag() {
    for page in embedded::PAGES.iter().filter(|page| page.gzip.is_some()) {
        let target = format!("/{}", page.name);
        let request = PageRequest { accept_encoding: Some("gzip, br"), ..get(&target) };
        let response = respond(&embedded(), &request);
        assert_eq!(header(&response, "Content-Encoding"), Some("gzip"));
        assert!(response.body.len() < page.plain.bytes.len());
        assert_eq!(gunzip(&response.body), page.plain.bytes, "{}", page.name);
        assert_ne!(header(&response, "ETag"), Some(page.plain.etag));
        let refused = PageRequest { accept_encoding: Some("gzip;q=0"), ..request };
        assert_eq!(respond(&embedded(), &refused).body, page.plain.bytes);
    }
}

#[test]
fn a_known_tag_is_answered_without_the_page() {
    let first = respond(&embedded(), &get("/"));
    let etag = header(&first, "ETag").unwrap();
    assert_eq!(etag.len(), 18);
    for tag in [etag, "*", &format!("\"x\", W/{etag}")] {
        let second = respond(&embedded(), &PageRequest { if_none_match: Some(tag), ..get("/") });
        assert_eq!((second.status, second.body.len()), (304, 0));
        assert_eq!(header(&second, "ETag"), Some(etag));
        assert_eq!(header(&second, "Cache-Control"), Some("no-cache"));
        assert_eq!(header(&second, "Vary"), Some("Accept-Encoding"));
        assert_eq!(header(&second, "Content-Length"), None);
    }
    // The tag of the other form is another.
    let other = PageRequest { if_none_match: Some(etag), accept_encoding: Some("gzip"), ..get("/") };
    assert_eq!(respond(&embedded(), &other).status, 200);
}

#[test]
fn head_is_get_without_the_body() {
    for target in ["/", "/nothing"] {
        let whole = respond(&embedded(), &get(target));
        let head = respond(&embedded(), &PageRequest { method: "HEAD", ..get(target) });
        assert_eq!((head.status, &head.headers), (whole.status, &whole.headers));
        assert!(head.body.is_empty() && !whole.body.is_empty());
    }
}

#[test]
fn other_methods_and_other_paths_are_refused() {
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "get", ""] {
        let response = respond(&embedded(), &PageRequest { method, ..get("/") });
        assert_eq!((response.status, header(&response, "Allow")), (405, Some("GET, HEAD")));
        assert!(!response.body.is_empty());
    }
    for target in [
        "/nothing",
        "/index.html/",
        "/chat.js/x",
        "/socket.io.js/",
        "/a/chat.js",
        "/../chat.js",
        "//",
        "*",
        "/socket.io/",
        "/%",
    ] {
        let response = respond(&embedded(), &get(target));
        assert_eq!(response.status, 404, "{target}");
        assert_eq!(header(&response, "Content-Type"), Some("text/plain; charset=utf-8"));
        assert_eq!(response.body, "There is no such page. The page is at / and Socket.IO at /socket.io/\n");
    }
}

#[test]
fn the_client_script_is_under_the_socket_io_path() {
    let script = embedded::named("socket.io.js").unwrap().plain.bytes;
    for (prefix, name) in [("/socket.io", "socket.io.js"), ("/socket.io", "socket.io.min.js"), ("/a/b", "socket.io.js")]
    {
        let pages = Pages::new(prefix);
        let response = respond(&pages, &get(&format!("{prefix}/{name}")));
        assert_eq!(response.status, 200);
        assert_eq!(response.body, script);
        assert_eq!(header(&response, "Content-Type"), Some("application/javascript; charset=utf-8"));
        assert_eq!(header(&response, "Cache-Control"), Some("public, max-age=0"));
    }
    let moved = Pages::new("/a/b");
    for target in ["/socket.io/socket.io.js", "/a/b/other.js", "/a/bsocket.io.js", "/a/b/socket.io.js/"] {
        assert_eq!(respond(&moved, &get(target)).status, 404, "{target}");
    }
}

#[test]
fn the_page_finds_the_client_script_under_another_path_too() {
    let page = core::str::from_utf8(lookup("/").unwrap().plain.bytes).unwrap();
    assert_eq!(page.matches(SCRIPT_REFERENCE).count(), 1);
    let moved = Pages::new("/a:b&c/ws");
    let response = respond(&moved, &get("/"));
    let text = core::str::from_utf8(&response.body).unwrap();
    assert_eq!(text.matches("src=\"./a:b&amp;c/ws/socket.io.js\"").count(), 1);
    assert!(!text.contains(SCRIPT_REFERENCE));
    assert!(header(&response, "Content-Security-Policy").is_some());
    assert_ne!(header(&response, "ETag"), Some(lookup("/").unwrap().plain.etag));
}

#[test]
fn embedded_text_went_through_the_serving_step() {
    use prepare::Syntax;
    for page in embedded::PAGES {
        assert_eq!(page.plain.etag, entity::etag(page.plain.bytes));
        if let Some(syntax) = Syntax::of(page.name) {
            let text = core::str::from_utf8(page.plain.bytes).unwrap();
            assert_eq!(syntax.squeeze(text), text, "{}", page.name);
        }
    }
}

#[test]
fn the_serving_step_drops_comments_and_blanks_and_nothing_else() {
    use prepare::Syntax;
    let text = "// a\n\n  // b\n\tx = 1; // kept \n'//' + y\n/* z */\r\n  \n/* p */ q /* r */\n/**/\n/*/\n";
    assert_eq!(Syntax::Script.squeeze(text), "x = 1; // kept\n'//' + y\n/* z */\n/* p */ q /* r */\n/**/\n/*/\n");
    assert_eq!(Syntax::Style.squeeze(text), "// a\n// b\nx = 1; // kept\n'//' + y\n/* p */ q /* r */\n/*/\n");
    assert_eq!(Syntax::Markup.squeeze(" <p>\n\n // x</p> "), "<p>\n// x</p>\n");
    for (name, syntax) in [
        ("a.js", Some(Syntax::Script)),
        ("a.css", Some(Syntax::Style)),
        ("a.svg", Some(Syntax::Markup)),
        ("a.png", None),
        ("a", None),
    ] {
        assert_eq!(Syntax::of(name), syntax);
    }
}

#[test]
fn tags_depend_on_every_byte() {
    // FNV-1a of 128 bits: the offset basis, and published values of it.
    assert_eq!(entity::etag(b""), "\"6c62272e07bb0142\"");
    assert_eq!(entity::etag(b"a"), "\"d228cb696f1a8caf\"");
    assert_eq!(entity::etag(b"foobar"), "\"343e1662793c64bf\"");
    let mut tags = std::collections::BTreeSet::new();
    let text = vec![b'x'; 300];
    for at in 0..text.len() {
        let mut changed = text.clone();
        changed[at] = b'y';
        assert!(tags.insert(entity::etag(&changed)), "{at}");
    }
}

/// A folder of its own for a test, gone at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sprat-pages-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("public/sub")).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.0.join(name), content).unwrap();
    }

    fn pages(&self) -> Pages {
        Pages::new("/socket.io").with_folder(&self.0.join("public"), 20 << 20).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_folder_is_served_instead_of_the_embedded_page() {
    let scratch = Scratch::new("served");
    scratch.write("public/index.html", "<script>io()</script>");
    scratch.write("public/sub/index.html", "sub");
    scratch.write("public/sub/中 x.JSON", "{}");
    let pages = scratch.pages();
    let page = respond(&pages, &get("/?x"));
    assert_eq!((page.status, &page.body[..]), (200, &b"<script>io()</script>"[..]));
    assert_eq!(header(&page, "Content-Security-Policy"), None);
    assert_eq!(header(&page, "Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!(header(&page, "X-Content-Type-Options"), Some("nosniff"));
    let json = respond(&pages, &get("/sub/%E4%B8%AD%20x.JSON"));
    assert_eq!((header(&json, "Content-Type"), &json.body[..]), (Some("application/json; charset=utf-8"), &b"{}"[..]));
    assert_eq!(respond(&pages, &get("/sub/")).body, "sub");
    let folder = respond(&pages, &get("/sub"));
    assert_eq!((folder.status, header(&folder, "Location")), (307, Some("./sub/")));
    for target in ["/chat.js", "/sub/index.html/", "/index.html/x", "/sub/nothing"] {
        assert_eq!(respond(&pages, &get(target)).status, 404, "{target}");
    }
    assert_eq!(respond(&pages, &PageRequest { method: "POST", ..get("/") }).status, 405);
    let head = respond(&pages, &PageRequest { method: "HEAD", ..get("/") });
    assert_eq!((header(&head, "Content-Length"), head.body.len()), (Some("21"), 0));
}

#[test]
fn a_changed_file_is_sent_again_and_an_unchanged_one_is_not() {
    let scratch = Scratch::new("changed");
    scratch.write("public/a.txt", "one");
    let pages = scratch.pages();
    let first = respond(&pages, &get("/a.txt"));
    let request = PageRequest { if_none_match: header(&first, "ETag"), ..get("/a.txt") };
    assert_eq!(respond(&pages, &request).status, 304);
    // While the first is still being sent.
    scratch.write("public/a.txt", "two, longer");
    let second = respond(&pages, &request);
    assert_eq!((second.status, &second.body[..], &first.body[..]), (200, &b"two, longer"[..], &b"one"[..]));
}

#[test]
fn one_copy_in_memory_serves_all_who_are_being_sent_a_file() {
    let scratch = Scratch::new("shared");
    scratch.write("public/a.txt", "shared");
    let pages = scratch.pages();
    let (first, second) = (respond(&pages, &get("/a.txt")), respond(&pages, &get("/a.txt")));
    assert_eq!(first.body.as_ptr(), second.body.as_ptr());
}

#[test]
fn of_files_that_are_being_sent_there_are_no_more_bytes_than_the_limit() {
    let scratch = Scratch::new("busy");
    for (name, len) in [("one", 300), ("two", 300), ("three", 300), ("small", 15), ("large", 751)] {
        scratch.write(&format!("public/{name}"), &"x".repeat(len));
    }
    let pages = Pages::new("/socket.io").with_folder(&scratch.0.join("public"), 1_000).unwrap();
    let status = |target| respond(&pages, &get(target)).status;
    let sent = [respond(&pages, &get("/one")), respond(&pages, &get("/two"))];
    let refused = respond(&pages, &get("/three"));
    assert_eq!((refused.status, header(&refused, "Retry-After")), (503, Some("5")));
    // All receivers of one file share it, and large ones leave room for small ones.
    assert_eq!(["/one", "/two", "/small", "/large"].map(status), [200, 200, 200, 403]);
    // What is still being sent counts also when the file has changed.
    scratch.write("public/one", "");
    assert_eq!(["/one", "/three"].map(status), [200, 503]);
    drop(sent);
    assert_eq!(status("/three"), 200);
}

#[test]
fn nothing_outside_the_folder_is_served() {
    let scratch = Scratch::new("outside");
    scratch.write("secret.txt", "secret");
    scratch.write("public/inside.txt", "inside");
    scratch.write("public/.hidden", "hidden");
    let link =
        |target: &str, name: &str| std::os::unix::fs::symlink(target, scratch.0.join("public").join(name)).unwrap();
    link("../secret.txt", "relative.txt");
    link(scratch.0.join("secret.txt").to_str().unwrap(), "absolute.txt");
    link("..", "parent");
    link("loop", "loop");
    link("inside.txt", "fine.txt");
    link("/dev/zero", "zero");
    let pages = scratch.pages();
    assert_eq!(respond(&pages, &get("/fine.txt")).body, "inside");
    for target in [
        "/relative.txt",
        "/absolute.txt",
        "/parent/secret.txt",
        "/parent",
        "/zero",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/sub/../../secret.txt",
        "/..\\secret.txt",
        "//etc/passwd",
        "/etc/passwd",
        "/inside.txt%00",
        "/.hidden",
        "/inside.txt/../../secret.txt",
    ] {
        let response = respond(&pages, &get(target));
        assert_eq!(response.status, 404, "{target}");
        assert!(!response.body.windows(6).any(|bytes| bytes == b"secret"));
    }
    assert_eq!(respond(&pages, &get("/loop")).status, 500);
    let long = format!("/{}", "x".repeat(5000));
    assert_eq!(respond(&pages, &get(&long)).status, 404);
}

#[test]
fn pipes_are_not_opened_and_huge_files_not_read() {
    let scratch = Scratch::new("special");
    let pipe = scratch.0.join("public/pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    fs::File::create(scratch.0.join("public/huge")).unwrap().set_len(16 * 1024 * 1024 + 1).unwrap();
    let pages = scratch.pages();
    assert_eq!(respond(&pages, &get("/pipe")).status, 404);
    assert_eq!(respond(&pages, &get("/huge")).status, 403);
}

#[test]
fn the_client_script_comes_with_any_folder_unless_it_has_its_own() {
    let scratch = Scratch::new("script");
    let embedded = embedded::named("socket.io.js").unwrap().plain.bytes;
    let pages = scratch.pages();
    assert_eq!(respond(&pages, &get("/socket.io/socket.io.js")).body, embedded);
    scratch.write("public/socket.io.js", "own");
    let own = respond(&pages, &get("/socket.io/socket.io.js"));
    assert_eq!((&own.body[..], header(&own, "Cache-Control")), (&b"own"[..], Some("public, max-age=0")));
    fs::create_dir(scratch.0.join("public/socket.io")).unwrap();
    scratch.write("public/socket.io/socket.io.js", "nearer");
    assert_eq!(respond(&pages, &get("/socket.io/socket.io.js")).body, "nearer");
}

#[test]
fn a_folder_that_is_none_is_refused_at_the_start() {
    let scratch = Scratch::new("none");
    scratch.write("public/file", "");
    for name in ["nothing", "public/file"] {
        assert!(Pages::new("/socket.io").with_folder(&scratch.0.join(name), 1_000).is_err(), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_opened_for_now_is_worth_asking_for_again() {
    use rustix::io::Errno;
    for (problem, is_for_now) in
        [(Errno::MFILE, true), (Errno::NFILE, true), (Errno::ACCESS, false), (Errno::IO, false)]
    {
        assert_eq!(is_for_lack_of_descriptors(&problem.into()), is_for_now, "{problem}");
    }
    let response = later(&get("/x.js"), "Too many files are open.\n");
    assert_eq!((response.status, header(&response, "Retry-After")), (503, Some("5")));
}
