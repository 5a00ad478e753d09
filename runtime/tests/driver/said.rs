//! What the identities of a test say through `tracing`, whatever the level and the thread. It is judged when the test ends: an
//! ERROR fails it, unless it expects that one, and then its absence does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Span, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

/// By the number of the test. What belongs to none is told to all: its number is nought.
static SAID: Mutex<BTreeMap<u64, Vec<Said>>> = Mutex::new(BTreeMap::new());

fn all() -> MutexGuard<'static, BTreeMap<u64, Vec<Said>>> {
    SAID.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One event, in words.
#[derive(Clone)]
struct Said {
    level: Level,
    message: String,
    /// Of the event and of the spans that it happened in.
    fields: String,
}

/// Hears what happens in its span.
pub(crate) struct Ear {
    number: u64,
    pub(crate) span: Span,
    expected: BTreeSet<&'static str>,
    /// What may come or not.
    allowed: BTreeSet<&'static str>,
    judges: Judges,
}

#[derive(PartialEq, Eq)]
enum Judges {
    AtTheEnd,
    Never,
}

impl Ear {
    pub(crate) fn new() -> Self {
        static LISTENING: Once = Once::new();
        static NEXT: AtomicU64 = AtomicU64::new(1);
        LISTENING.call_once(|| {
            let registry = Registry::default().with(Listening);
            tracing::subscriber::set_global_default(registry).expect("nobody else listens");
        });
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let span = tracing::error_span!("identity", test = number);
        Self { number, span, expected: BTreeSet::new(), allowed: BTreeSet::new(), judges: Judges::AtTheEnd }
    }

    /// Whether it is the one that judges.
    pub(crate) fn judges(&self) -> bool {
        self.judges == Judges::AtTheEnd
    }

    /// This ERROR has to come.
    pub(crate) fn expect(&mut self, error: &'static str) {
        self.expected.insert(error);
    }

    /// This ERROR may come.
    pub(crate) fn allow(&mut self, error: &'static str) {
        self.allowed.insert(error);
    }

    /// All that was said until now, a line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        let all = all();
        let said = [self.number, 0].into_iter().filter_map(|number| all.get(&number)).flatten();
        said.map(|Said { level, message, fields }| format!("{level} {message}{fields}")).collect()
    }

    /// The ERRORs that were not expected, and those that did not come.
    pub(crate) fn misjudged(&self) -> Vec<String> {
        let all = all();
        let said = [self.number, 0].into_iter().filter_map(|number| all.get(&number)).flatten();
        let errors: BTreeSet<&str> = said.filter(|said| said.level == Level::ERROR).map(|said| said.message.as_str()).collect();
        let wrong = errors.symmetric_difference(&self.expected).filter(|error| !self.allowed.contains(**error));
        wrong.map(|error| (*error).to_owned()).collect()
    }
}

/// Who is handed a copy only talks.
impl Clone for Ear {
    fn clone(&self) -> Self {
        Self { span: self.span.clone(), expected: BTreeSet::new(), allowed: BTreeSet::new(), judges: Judges::Never, ..*self }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        if self.judges() && !std::thread::panicking() {
            let misjudged = self.misjudged();
            assert!(misjudged.is_empty(), "ERRORs that were not expected, or did not come: {misjudged:?}\n{:#?}", self.lines());
        }
    }
}

struct Listening;

/// What a span is called and holds, in words.
struct Words(String);

/// Which test a span belongs to.
struct Test(u64);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Listening {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut heard = Heard::default();
        attributes.record(&mut heard);
        let test = heard.test.or_else(|| span.parent()?.extensions().get::<Test>().map(|test| test.0));
        let mut extensions = span.extensions_mut();
        if let Some(test) = test {
            extensions.insert(Test(test));
        }
        // That of the test itself is no news.
        let words = if heard.test.is_some() { String::new() } else { format!(" in {}{}", span.name(), heard.fields) };
        extensions.insert(Words(words));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut heard = Heard::default();
        values.record(&mut heard);
        if let Some(Words(words)) = span.extensions_mut().get_mut() {
            words.push_str(&heard.fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut heard = Heard::default();
        event.record(&mut heard);
        let mut test = 0;
        for span in context.event_scope(event).into_iter().flatten() {
            let extensions = span.extensions();
            heard.fields.push_str(extensions.get().map_or("", |Words(words)| words));
            test = extensions.get().map_or(test, |Test(number)| *number);
        }
        let said = Said { level: *event.metadata().level(), message: heard.message, fields: heard.fields };
        all().entry(test).or_default().push(said);
    }
}

/// The fields of one event or span.
#[derive(Default)]
struct Heard {
    message: String,
    fields: String,
    test: Option<u64>,
}

impl Visit for Heard {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "test" {
            self.test = Some(value);
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = match field.name() {
            "message" => &mut self.message,
            name => {
                write!(self.fields, " {name}=").expect("a string takes everything");
                &mut self.fields
            }
        };
        write!(text, "{value:?}").expect("a string takes everything");
    }
}
