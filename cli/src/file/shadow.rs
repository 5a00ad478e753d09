//! HCL as agents write it, made into HCL that the parser reads, byte for byte at the same place.
//!
//! Agents read the first version of the language, which is laxer than the second: several items may stand on one line, commas
//! may stand between them, keys may be quoted, and `${` and `%{` in a text mean nothing. The shadow of a file differs from it
//! in single bytes only — a space that becomes a line's end, a quote that becomes a space, a mark for the `$` that is none — so
//! every place in the one is the same place in the other.

use super::source::{Remark, Source};

/// Stands for `$` before a brace.
const DOLLAR: u8 = 1;
/// Stands for `%` before a brace.
const PERCENT: u8 = 2;

/// Puts back what the marks stand for.
pub(crate) fn unmark(text: &str) -> String {
    text.replace(char::from(DOLLAR), "$").replace(char::from(PERCENT), "%")
}

/// Makes the shadow of a file.
pub(crate) fn shadow(source: &Source) -> Result<String, Remark> {
    let mut shader = Shader {
        source,
        bytes: source.text.as_bytes().to_vec(),
        at: 0,
        frames: vec![Frame {
            kind: Kind::Body,
            opened: 0,
            tight: false,
            items: 0,
            nested: false,
            state: State::Start { due: false },
        }],
    };
    while let Some(token) = shader.next()? {
        shader.take(token)?;
    }
    String::from_utf8(shader.bytes).map_err(|_| source.remark((0, 0), "it is not text", "write it in UTF-8"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Body,
    Object,
    List,
}

struct Frame {
    kind: Kind,
    /// Where its bracket stands.
    opened: usize,
    /// Something stands on the line of its opening brace.
    tight: bool,
    items: usize,
    /// It holds a stanza.
    nested: bool,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before an item; a line's end is due before the next.
    Start { due: bool },
    /// After the key and perhaps labels.
    Keys,
    /// After `=`.
    Value,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Line,
    Comma,
    Is,
    Open(Kind),
    Close,
    Text,
    /// A word or a number.
    Word,
}

struct Shader<'a> {
    source: &'a Source,
    bytes: Vec<u8>,
    at: usize,
    frames: Vec<Frame>,
}

impl Shader<'_> {
    fn fault<T>(&self, at: usize, what: &str, remedy: &str) -> Result<T, Remark> {
        Err(self.source.remark((at, at), what, remedy))
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or_default()
    }

    fn is_at_word(&self, at: usize, word: &str) -> bool {
        self.bytes.get(at..).is_some_and(|rest| rest.starts_with(word.as_bytes()))
    }

    /// The next token with its place.
    fn next(&mut self) -> Result<Option<(Token, usize)>, Remark> {
        loop {
            let start = self.at;
            let Some(byte) = self.bytes.get(start).copied() else { return Ok(None) };
            self.at += 1;
            let token = match byte {
                b' ' | b'\t' | b'\r' => continue,
                b'\n' => Token::Line,
                b'#' => {
                    self.skip_line();
                    continue;
                }
                b'/' if self.byte(self.at) == b'/' => {
                    self.skip_line();
                    continue;
                }
                b'/' if self.byte(self.at) == b'*' => {
                    self.skip_comment(start)?;
                    continue;
                }
                b',' => Token::Comma,
                b'=' | b':' => Token::Is,
                b'{' => Token::Open(Kind::Body),
                b'[' => Token::Open(Kind::List),
                b'}' | b']' => Token::Close,
                b'"' => {
                    self.skip_text(start)?;
                    Token::Text
                }
                b'<' if self.byte(self.at) == b'<' => {
                    self.skip_here_document(start)?;
                    Token::Text
                }
                byte if byte.is_ascii_control() => {
                    return self.fault(start, "a control character stands here", "remove it");
                }
                _ => {
                    while !b" \t\r\n,=:{}[]\"#".contains(&self.byte(self.at)) && self.at < self.bytes.len() {
                        self.at += 1;
                    }
                    Token::Word
                }
            };
            return Ok(Some((token, start)));
        }
    }

    fn skip_line(&mut self) {
        while self.at < self.bytes.len() && self.byte(self.at) != b'\n' {
            self.at += 1;
        }
    }

    fn skip_comment(&mut self, start: usize) -> Result<(), Remark> {
        while !self.is_at_word(self.at, "*/") {
            if self.at >= self.bytes.len() {
                return self.fault(start, "this comment does not end", "end it with `*/`");
            }
            self.at += 1;
        }
        self.at += 2;
        Ok(())
    }

    fn skip_text(&mut self, start: usize) -> Result<(), Remark> {
        loop {
            match self.byte(self.at) {
                b'"' => break,
                b'\\' => self.at += 1,
                b'\n' | b'\0' => return self.fault(start, "this text does not end on its line", "end it with a quote"),
                byte if byte.is_ascii_control() && byte != b'\t' => {
                    return self.fault(self.at, "a control character stands in this text", "write it as an escape: \\u001f");
                }
                _ => self.mark(),
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(())
    }

    /// `<<END`, lines, and `END` alone on the last.
    fn skip_here_document(&mut self, start: usize) -> Result<(), Remark> {
        self.at += 1;
        let line = |from: usize| {
            let rest = &self.source.text[from..];
            rest.split_inclusive('\n').next().unwrap_or_default()
        };
        let head = line(self.at);
        let end = head.trim().trim_start_matches('-').to_owned();
        let mut at = self.at + head.len();
        while !end.is_empty() && at < self.bytes.len() {
            let next = line(at);
            if next.trim() == end {
                self.at = at + next.trim_end().len();
                for place in start + 2..self.at {
                    self.mark_at(place);
                }
                return Ok(());
            }
            at += next.len();
        }
        self.fault(start, "this text does not end", "end it with a line that holds its mark alone")
    }

    fn mark(&mut self) {
        self.mark_at(self.at);
    }

    fn mark_at(&mut self, at: usize) {
        if self.byte(at + 1) == b'{' {
            match self.byte(at) {
                b'$' => self.bytes[at] = DOLLAR,
                b'%' => self.bytes[at] = PERCENT,
                _ => {}
            }
        }
    }

    fn take(&mut self, (token, at): (Token, usize)) -> Result<(), Remark> {
        let depth = self.frames.len();
        let Some(frame) = self.frames.last_mut() else { return Ok(()) };
        match (token, frame.kind, frame.state) {
            (Token::Close, ..) => {
                return if depth > 1 { self.close(at) } else { self.fault(at, "nothing is open here", "remove it") };
            }
            (Token::Open(Kind::List), ..) => self.open(Kind::List, at),
            (Token::Open(_), Kind::Body, State::Keys) => {
                frame.nested = true;
                self.open(Kind::Body, at);
            }
            (Token::Open(_), ..) => self.open(Kind::Object, at),
            (_, Kind::List, _) => {}
            (Token::Line, _, State::Start { .. }) => frame.state = State::Start { due: false },
            (Token::Comma, kind, State::Start { .. }) => {
                frame.state = State::Start { due: false };
                if kind == Kind::Body {
                    self.bytes[at] = b'\n';
                }
            }
            (Token::Text | Token::Word, _, State::Start { due }) => self.begin(token, at, due)?,
            (Token::Is, _, State::Keys) => frame.state = State::Value,
            (Token::Text | Token::Word, _, State::Value) => frame.state = State::Start { due: true },
            // The parser says what is wrong.
            _ => {}
        }
        Ok(())
    }

    /// The key of an item.
    fn begin(&mut self, token: Token, at: usize, due: bool) -> Result<(), Remark> {
        if due {
            self.break_before(at)?;
        }
        let opened = self.frames.last().map_or(0, |frame| frame.opened);
        let on_its_line = !self.source.text[opened..at].contains('\n');
        let text = &self.source.text[at..self.at];
        let Some(frame) = self.frames.last_mut() else { return Ok(()) };
        frame.tight |= frame.items == 0 && on_its_line;
        frame.items += 1;
        frame.state = State::Keys;
        let name = text.trim_matches('"');
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        if token == Token::Text && frame.kind == Kind::Body && is_name {
            let end = self.at - 1;
            self.bytes[at] = b' ';
            self.bytes[end] = b' ';
        }
        Ok(())
    }

    fn open(&mut self, kind: Kind, opened: usize) {
        self.frames.push(Frame { kind, opened, tight: false, items: 0, nested: false, state: State::Start { due: false } });
    }

    fn close(&mut self, at: usize) -> Result<(), Remark> {
        let Some(Frame { kind, opened, tight, items, nested, state, .. }) = self.frames.pop() else { return Ok(()) };
        let is_due = matches!(state, State::Start { due: true });
        // A stanza with one key may stand on one line.
        if kind == Kind::Body && (tight || is_due) && !(tight && is_due && items == 1 && !nested) {
            if tight && opened > 0 {
                self.break_before(opened + 2)?;
            }
            if is_due {
                self.break_before(at)?;
            }
        }
        if let Some(outer) = self.frames.last_mut().filter(|outer| outer.kind != Kind::List) {
            outer.state = State::Start { due: true };
        }
        Ok(())
    }

    /// Makes a line's end of the space before a place.
    fn break_before(&mut self, at: usize) -> Result<(), Remark> {
        match self.byte(at - 1) {
            b' ' | b'\t' | b'\r' | b'\n' => self.bytes[at - 1] = b'\n',
            _ => {
                let remedy = format!("write {}", spaced(self.line(at - 1)));
                return self.fault(at - 1, "this cannot be read on one line without spaces", &remedy);
            }
        }
        Ok(())
    }

    fn line(&self, at: usize) -> &str {
        let (before, after) = self.source.text.split_at_checked(at).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let end = after.find('\n').map_or(self.source.text.len(), |end| at + end);
        self.source.text.get(start..end).unwrap_or_default().trim()
    }
}

/// A line with spaces around what stands without, and without what stands in its texts.
fn spaced(line: &str) -> String {
    // What is a text is certain only where no quote is part of one, or of a comment.
    if line.contains(['\\', '#']) || line.split('"').step_by(2).any(|part| part.contains('/')) {
        return "each key on a line of its own, and the closing brace too".to_owned();
    }
    let outside = line.split('"').enumerate().map(|(number, part)| match number % 2 {
        0 => part.replace('{', " { ").replace('}', " } ").replace('=', " = "),
        _ => " \"…\" ".to_owned(),
    });
    outside.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}
