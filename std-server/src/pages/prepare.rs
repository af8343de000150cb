//! The serving step: makes text smaller without knowing its language. Part of the build script, and of the tests.
//!
//! It goes by lines alone, so the pages keep to what it can do: comments are whole lines, and no string, template literal or
//! preformatted text runs over the end of a line.

/// How comments look in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// Lines that start with `//` are comments.
    Script,
    /// Lines that are one `/* … */` are comments.
    Style,
    /// Nothing is a comment.
    Markup,
}

impl Syntax {
    /// The syntax of a file by its name; `None` if it is served as it is.
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1 {
            "js" => Some(Self::Script),
            "css" => Some(Self::Style),
            "html" | "svg" => Some(Self::Markup),
            _ => None,
        }
    }

    /// Drops comment lines, empty lines, and the blanks at both ends of a line.
    pub(crate) fn squeeze(self, text: &str) -> String {
        let mut squeezed = String::with_capacity(text.len());
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !self.is_comment(line)) {
            squeezed.push_str(line);
            squeezed.push('\n');
        }
        squeezed
    }

    fn is_comment(self, line: &str) -> bool {
        match self {
            Self::Script => line.starts_with("//"),
            // Only if the comment that starts the line is the one that ends it.
            Self::Style => {
                line.strip_prefix("/*").is_some_and(|rest| rest.find("*/").is_some_and(|at| at + 2 == rest.len()))
            }
            Self::Markup => false,
        }
    }
}
