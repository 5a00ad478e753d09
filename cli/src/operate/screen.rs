//! A terminal that is ours for a while, and is given back as it was.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::thread;

use anstream::{AutoStream, ColorChoice};
use anstyle::Style;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc;

const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
const TOP: &str = "\x1b[H";
const END_OF_LINE: &str = "\x1b[K";
const BELOW: &str = "\x1b[J";
/// Of a terminal that does not say how large it is.
const USUAL: (usize, usize) = (80, 24);
const CTRL_C: u8 = 3;

/// A line of the screen, in parts of one style each.
pub(super) type Line = Vec<(Style, String)>;

/// The terminal while it is ours. Given back when dropped, also by a panic.
pub(super) struct Screen {
    before: Termios,
    is_colored: bool,
}

impl Screen {
    /// Takes the terminal: no echo, keys at once, a screen of its own.
    pub(super) fn take() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut ours = before.clone();
        ours.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN);
        ours.special_codes[SpecialCodeIndex::VMIN] = 1;
        ours.special_codes[SpecialCodeIndex::VTIME] = 0;
        let is_colored = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        let screen = Self { before, is_colored };
        tcsetattr(io::stdin(), OptionalActions::Flush, &ours)?;
        write(ENTER)?;
        Ok(screen)
    }

    /// Shows these lines, as far as there is room.
    pub(super) fn show(&self, lines: &[Line]) -> io::Result<()> {
        let size = tcgetwinsize(io::stdout()).map_or(USUAL, |size| (size.ws_col.into(), size.ws_row.into()));
        let (width, height) = if size.0 == 0 || size.1 == 0 { USUAL } else { size };
        let mut frame = TOP.to_owned();
        for (place, line) in lines.iter().take(height).enumerate() {
            if place > 0 {
                frame.push_str("\r\n");
            }
            self.draw(&mut frame, line, width);
            frame.push_str(END_OF_LINE);
        }
        frame.push_str(BELOW);
        write(&frame)
    }

    fn draw(&self, frame: &mut String, line: &Line, width: usize) {
        let mut left = width;
        for (style, text) in line {
            let text: String = text.chars().take(left).collect();
            left -= text.chars().count();
            // A text cannot fail to take more text.
            let _ = if self.is_colored { write!(frame, "{style}{text}{style:#}") } else { write!(frame, "{text}") };
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        drop(write(LEAVE));
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.before);
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Tells when `q` or Ctrl-C was pressed, or nothing more can be.
pub(super) fn quits() -> mpsc::Receiver<()> {
    let (tell, told) = mpsc::channel(1);
    // A read from a terminal cannot be called off: the thread ends with the process.
    thread::spawn(move || {
        let keys = io::stdin().lock().bytes();
        let _ = keys.map_while(Result::ok).find(|key| [b'q', b'Q', CTRL_C].contains(key));
        // Nobody waits for it any more when all ends.
        let _ = tell.blocking_send(());
    });
    told
}
