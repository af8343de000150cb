//! The path of a request, taken apart so that no name in it can mean anything but a name.

/// The decoded names of a path, none of which is empty, hidden, or able to leave a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PagePath {
    names: Vec<String>,
    /// Whether the path ends with a slash, which asks for a folder.
    pub(super) folder: bool,
}

impl PagePath {
    /// Takes apart the target of a request in origin form (RFC 9112, 3.2.1). `None` if no page can have that path.
    pub(super) fn parse(target: &str) -> Option<Self> {
        let path = target.split_once('?').map_or(target, |(path, _)| path).strip_prefix('/')?;
        if path.is_empty() {
            return Some(Self { names: Vec::new(), folder: true });
        }
        let (path, folder) = path.strip_suffix('/').map_or((path, false), |path| (path, true));
        let names: Option<Vec<_>> = path.split('/').map(name).collect();
        Some(Self { names: names?, folder })
    }

    /// The path of a file right in the folder, by its decoded name.
    pub(super) fn of_file(name: &str) -> Self {
        Self { names: vec![name.to_owned()], folder: false }
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The names with slashes between them and none around them.
    pub(super) fn joined(&self) -> String {
        self.names.join("/")
    }
}

/// Decodes one name (RFC 3986, 2.1) and refuses what would be more than a name to some file system.
fn name(encoded: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' { digit(bytes.next()?)? << 4 | digit(bytes.next()?)? } else { byte });
    }
    let name = String::from_utf8(decoded).ok()?;
    // Hidden files are private (.git, .env); this covers `.` and `..` too. RFC 8615 made one exception.
    let hidden = name.starts_with('.') && name != ".well-known";
    let special = |character: char| character.is_control() || matches!(character, '/' | '\\' | ':');
    (!name.is_empty() && !hidden && !name.contains(special)).then_some(name)
}

fn digit(hexadecimal: u8) -> Option<u8> {
    char::from(hexadecimal).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded_once() {
        for (target, joined, folder) in [
            ("/", "", true),
            ("/?x=/../", "", true),
            ("/chat.js", "chat.js", false),
            ("/chat.js?v=1", "chat.js", false),
            ("/a/b/", "a/b", true),
            ("/%e4%B8%ad.txt", "中.txt", false),
            ("/a%20b+c", "a b+c", false),
            ("/100%2525", "100%25", false),
            ("/.well-known/x", ".well-known/x", false),
        ] {
            let path = PagePath::parse(target).unwrap_or_else(|| panic!("{target}"));
            assert_eq!((path.joined().as_str(), path.folder), (joined, folder), "{target}");
        }
    }

    #[test]
    fn nothing_leads_out_of_the_folder() {
        for target in [
            "",
            "x",
            "*",
            "http://x/",
            "//",
            "//x",
            "/x//y",
            "/x//",
            "/.",
            "/..",
            "/../x",
            "/a/../x",
            "/a/./x",
            "/a/..",
            "/%2e%2e/x",
            "/%2E./x",
            "/.%2e",
            "/..%2fx",
            "/a%2fb",
            "/%2fetc/passwd",
            "/a%5cb",
            "/a\\b",
            "/..\\x",
            "/C:/x",
            "/x%00.html",
            "/x\0",
            "/a%0ab",
            "/%7f",
            "/%",
            "/%4",
            "/%zz",
            "/%+1",
            "/%ff",
            "/%c0%ae%c0%ae/x",
            "/.git/config",
            "/%2egit",
            "/a/.env",
            "/..a",
        ] {
            assert_eq!(PagePath::parse(target), None, "{target:?}");
        }
    }
}
