//! The templates of a child's environment: looked at when the file is read, rendered when the child is to be started.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gotmpl::parse::{BranchNode, CommandNode, Expr, ListNode, Node, Parser, PipeNode};
use gotmpl::{MissingKey, TemplateError, Value};
use turquoise::vault::Path;
use zeroize::Zeroizing;

/// Ours.
const FUNCTIONS: [&str; 8] = ["secret", "base64Encode", "base64Decode", "toJSON", "toUpper", "toLower", "trimSpace", "env"];
/// What belongs to the language of templates itself.
const BUILT_IN: [&str; 17] = [
    "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len", "index", "slice", "print", "printf", "println", "urlquery",
    "html",
];
/// No rendering goes through more items.
const MOST_ITEMS: u64 = 100_000;

/// How the language shows what is not there.
const NO_VALUE: &str = "<no value>";

/// What was read, by path, as a template sees it.
pub(crate) type Known = BTreeMap<String, Value>;

/// One variable of a child's environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) name: String,
    contents: String,
    delimiters: (String, String),
    missing: Missing,
}

/// What a key that is not there comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// An error.
    Fails,
    /// The text `<no value>`.
    Shows,
}

/// Why a template cannot be used: found without a server.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the template: {what}: {remedy}")]
pub(crate) struct Fault {
    /// Counted from 1 within the template.
    pub(crate) line: usize,
    pub(crate) what: String,
    pub(crate) remedy: String,
}

/// What came of a rendering.
pub(crate) enum Rendered {
    Text(Zeroizing<String>),
    /// These have to be read first.
    Needs(BTreeSet<String>),
    /// It cannot be rendered, whatever is read. Holds nothing that was read.
    Failed(String),
}

impl Template {
    /// Looks at it.
    pub(crate) fn new(name: String, contents: String, delimiters: (String, String), missing: Missing) -> Result<Self, Fault> {
        let parsed = Parser::with_name(None, &contents, &delimiters.0, &delimiters.1).and_then(Parser::parse);
        let (body, defined) = parsed.map_err(|error| malformed(&error))?;
        let mut look = Look::default();
        look.list(&body);
        for define in &defined {
            look.list(&define.body);
        }
        match look.fault {
            Some(fault) => Err(fault),
            None => Ok(Self { name, contents, delimiters, missing }),
        }
    }

    /// Renders it with what is known.
    pub(crate) fn render(&self, known: &Arc<Known>) -> Rendered {
        let needs = Arc::new(Mutex::new(BTreeSet::new()));
        let missing = match self.missing {
            Missing::Fails => MissingKey::Error,
            Missing::Shows => MissingKey::Invalid,
        };
        let template = gotmpl::Template::new("").delims(&self.delimiters.0, &self.delimiters.1).missing_key(missing);
        let template = with_functions(template.max_range_iters(MOST_ITEMS), Arc::clone(known), Arc::clone(&needs));
        let done = template.parse(&self.contents).and_then(|template| template.execute_to_string(&Value::Nil));
        let needs = std::mem::take(&mut *needs.lock().unwrap_or_else(PoisonError::into_inner));
        match done {
            _ if !needs.is_empty() => Rendered::Needs(needs),
            // What a function was asked for and has not, is shown like this; a password is never this.
            Ok(text) if self.missing == Missing::Fails && text.contains(NO_VALUE) => {
                Rendered::Failed("something that it shows is not in what was read".to_owned())
            }
            Ok(text) if text.contains('\0') => Rendered::Failed("a variable cannot hold a NUL character".to_owned()),
            Ok(text) => Rendered::Text(Zeroizing::new(text)),
            Err(error) => Rendered::Failed(self.words(&error)),
        }
    }

    /// What the engine says may quote what was read: only what stands in the template is repeated.
    fn words(&self, error: &TemplateError) -> String {
        match error {
            TemplateError::MissingKey { key } if self.contents.contains(key) => format!("there is no `{key}` in what was read"),
            TemplateError::MissingKey { .. } => "a key is not in what was read".to_owned(),
            TemplateError::TypeMismatch { expected, got } => format!("it needs a {expected}, and was given a {got}"),
            TemplateError::ArgCount { name, .. } if self.contents.contains(name) => format!("`{name}` takes other arguments"),
            TemplateError::UndefinedVariable(name) | TemplateError::UndefinedTemplate(name) if self.contents.contains(name) => {
                format!("`{name}` is not defined")
            }
            TemplateError::RangeIterLimit | TemplateError::RecursionLimit => "it goes on too long".to_owned(),
            _ => "a function was given what it cannot take".to_owned(),
        }
    }
}

fn malformed(error: &TemplateError) -> Fault {
    let (line, what) = match error {
        TemplateError::Parse { line, message, .. } | TemplateError::Lex { line, message, .. } => (*line, message.clone()),
        _ => (1, "this is no template".to_owned()),
    };
    Fault { line, what, remedy: "write it as Go's text/template has it".to_owned() }
}

/// Looks for functions that are not there, and for reads that cannot be made.
#[derive(Default)]
struct Look {
    /// The first.
    fault: Option<Fault>,
}

impl Look {
    fn fault(&mut self, line: usize, what: String, remedy: impl Into<String>) {
        self.fault.get_or_insert(Fault { line, what, remedy: remedy.into() });
    }

    fn list(&mut self, list: &ListNode) {
        list.nodes.iter().for_each(|node| self.node(node));
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::List(list) => self.list(list),
            Node::Action(action) => self.pipe(&action.pipe),
            Node::If(branch) | Node::Range(branch) | Node::With(branch) => self.branch(branch),
            Node::Template(template) => template.pipe.iter().for_each(|pipe| self.pipe(pipe)),
            Node::Define(define) => self.list(&define.body),
            Node::Text(_) | Node::Break(_) | Node::Continue(_) => {}
        }
    }

    fn branch(&mut self, branch: &BranchNode) {
        self.pipe(&branch.pipe);
        self.list(&branch.body);
        branch.else_body.iter().for_each(|list| self.list(list));
    }

    fn pipe(&mut self, pipe: &PipeNode) {
        for (place, command) in pipe.commands.iter().enumerate() {
            command.args.iter().for_each(|arg| self.expression(arg));
            self.command(command, place);
        }
    }

    fn expression(&mut self, expression: &Expr) {
        match expression {
            Expr::Identifier(at, name) if !is_known(name) => {
                let remedy = format!("use one of: {}", FUNCTIONS.join(", "));
                self.fault(at.line, format!("there is no function `{name}` here"), remedy);
            }
            Expr::Pipe(_, pipe) => self.pipe(pipe),
            Expr::Chain(_, inner, _) => self.expression(inner),
            _ => {}
        }
    }

    /// With more than a path it would be a write.
    fn command(&mut self, command: &CommandNode, place: usize) {
        let Some(Expr::Identifier(at, name)) = command.args.first() else { return };
        if name != "secret" {
            return;
        }
        let given = command.args.len() - 1 + place.min(1);
        if given != 1 {
            self.fault(at.line, "`secret` takes a path, and nothing else".to_owned(), "write secret \"secret/data/app\"");
        }
        if let Some(Expr::String(at, path)) = command.args.get(1)
            && path.parse::<Path>().is_err()
        {
            let remedy = "write it as the server's API has it, without /v1/: \"secret/data/app\"";
            self.fault(at.line, "this path cannot be read".to_owned(), remedy);
        }
    }
}

fn is_known(name: &str) -> bool {
    FUNCTIONS.contains(&name) || BUILT_IN.contains(&name)
}

fn with_functions(template: gotmpl::Template, known: Arc<Known>, needs: Arc<Mutex<BTreeSet<String>>>) -> gotmpl::Template {
    let secret = move |args: &[Value]| {
        let path = text(args)?;
        if let Some(found) = known.get(path) {
            return Ok(found.clone());
        }
        needs.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
        Ok(Value::Nil)
    };
    template
        .func("secret", secret)
        .func("base64Encode", |args| Ok(told(STANDARD.encode(text(args)?))))
        .func("base64Decode", |args| {
            let bytes = STANDARD.decode(text(args)?).map_err(|_| unfit())?;
            String::from_utf8(bytes).map(told).map_err(|_| unfit())
        })
        .func("toJSON", |args| match args {
            [value] => serde_json::to_string(&json(value)).map(told).map_err(|_| unfit()),
            _ => Err(unfit()),
        })
        .func("toUpper", |args| Ok(told(text(args)?.to_uppercase())))
        .func("toLower", |args| Ok(told(text(args)?.to_lowercase())))
        .func("trimSpace", |args| Ok(told(text(args)?.trim().to_owned())))
        .func("env", |args| Ok(told(std::env::var(text(args)?).unwrap_or_default())))
}

fn text(args: &[Value]) -> Result<&str, TemplateError> {
    match args {
        [Value::String(text)] => Ok(text),
        _ => Err(unfit()),
    }
}

fn told(text: String) -> Value {
    Value::String(text.into())
}

/// Its words are not shown: see [`Template::words`].
fn unfit() -> TemplateError {
    TemplateError::Exec(String::new())
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(flag) => (*flag).into(),
        Value::Int(number) => (*number).into(),
        Value::Uint(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::String(text) => text.as_ref().into(),
        Value::List(values) => values.iter().map(json).collect(),
        Value::Map(values) => values.iter().map(|(key, value)| (key.to_string(), json(value))).collect(),
        Value::Nil | Value::Function(_) => serde_json::Value::Null,
    }
}

/// What JSON is to a template.
pub(crate) fn value(json: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::Nil,
        Json::Bool(flag) => Value::Bool(flag),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::Int(number),
            (None, Some(number)) => Value::Uint(number),
            (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => told(text),
        Json::Array(values) => Value::List(values.into_iter().map(value).collect()),
        Json::Object(values) => Value::Map(Arc::new(values.into_iter().map(|(key, json)| (key.into(), value(json))).collect())),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(contents: &str) -> Result<Template, Fault> {
        Template::new("NAME".to_owned(), contents.to_owned(), ("{{".to_owned(), "}}".to_owned()), Missing::Fails)
    }

    fn rendered(contents: &str) -> Result<String, String> {
        let app = json!({"Data": {"data": {"user": "ada", "port": 5432, "list": ["a", "b"]}}});
        let known = Arc::new(Known::from([("secret/data/app".to_owned(), value(app))]));
        match template(contents).map_err(|fault| fault.to_string())?.render(&known) {
            Rendered::Text(text) => Ok(text.to_string()),
            Rendered::Needs(paths) => Err(format!("needs {paths:?}")),
            Rendered::Failed(why) => Err(why),
        }
    }

    #[test]
    fn each_function_does_what_the_agents_have_it_do() {
        let of_app = |rest: &str| rendered(&format!("{{{{ with secret \"secret/data/app\" }}}}{rest}{{{{ end }}}}"));
        assert_eq!(of_app("{{ .Data.data.user }}:{{ .Data.data.port }}").as_deref(), Ok("ada:5432"));
        assert_eq!(of_app("{{ .Data.data | toJSON }}").as_deref(), Ok(r#"{"list":["a","b"],"port":5432,"user":"ada"}"#));
        assert_eq!(of_app("{{ range .Data.data.list }}<{{ . }}>{{ end }}").as_deref(), Ok("<a><b>"));
        assert_eq!(rendered("{{ \"ada\" | toUpper | base64Encode }}").as_deref(), Ok("QURB"));
        assert_eq!(rendered("{{ base64Decode \"QURB\" | toLower }}").as_deref(), Ok("ada"));
        assert_eq!(rendered("{{ trimSpace \" x \" }}").as_deref(), Ok("x"));
        assert_eq!(rendered("{{ env \"CARGO_PKG_NAME\" }}{{ env \"NOBODY_SET_THIS\" }}").as_deref(), Ok(env!("CARGO_PKG_NAME")));
        assert_eq!(rendered("{{ if and (eq 1 1) (not false) }}yes{{ end }}").as_deref(), Ok("yes"));
    }

    #[test]
    fn what_is_not_known_yet_is_asked_for() {
        let needs = rendered("{{ (secret \"a/b\").Data.x }}{{ with secret \"c/d\" }}{{ .Data.y }}{{ end }}");
        assert_eq!(needs.unwrap_err(), "needs {\"a/b\", \"c/d\"}");
    }

    #[test]
    fn a_function_that_is_not_there_is_told_with_its_line_and_name() {
        let fault = template("a\n{{ if true }}\n{{ secret \"a/b\" | parseJSON }}{{ end }}").unwrap_err();
        assert_eq!((fault.line, fault.what.as_str()), (3, "there is no function `parseJSON` here"));
        let fault = template("{{ define \"x\" }}\n{{ (key \"a\").b }}{{ end }}").unwrap_err();
        assert_eq!((fault.line, fault.what.as_str()), (2, "there is no function `key` here"));
    }

    #[test]
    fn a_secret_is_read_and_never_written() {
        for contents in ["{{ secret \"pki/issue/app\" \"ttl=1h\" }}", "{{ \"a\" | secret \"b\" }}", "{{ secret }}"] {
            assert!(template(contents).unwrap_err().what.contains("takes a path"), "{contents}");
        }
        for contents in ["{{ secret \"/v1/a\" }}", "{{ secret \"a/../b\" }}", "{{ secret \"a?list=true\" }}"] {
            assert!(template(contents).unwrap_err().what.contains("cannot be read"), "{contents}");
        }
        assert_eq!(rendered("{{ (\"secret/data/app\" | secret).Data.data.user }}").as_deref(), Ok("ada"));
    }

    #[test]
    fn what_is_no_template_is_told_with_its_line() {
        assert_eq!(template("a\n{{ if }}").unwrap_err().line, 2);
        assert_eq!(template("{{ .x ").unwrap_err().line, 1);
    }

    #[test]
    fn a_key_that_is_not_there_is_an_error_unless_it_may_show() {
        let contents = "{{ with secret \"secret/data/app\" }}{{ .Data.data.pass }}{{ end }}";
        assert_eq!(rendered(contents).unwrap_err(), "there is no `pass` in what was read");
        let lax = Template { missing: Missing::Shows, ..template(contents).unwrap() };
        let known = Arc::new(Known::from([("secret/data/app".to_owned(), value(json!({"Data": {"data": {}}})))]));
        assert!(matches!(lax.render(&known), Rendered::Text(text) if *text == "<no value>"));
    }

    #[test]
    fn no_message_repeats_what_was_read() {
        for contents in [
            "{{ with secret \"secret/data/app\" }}{{ index .Data.data .Data.data.user }}{{ end }}",
            "{{ with secret \"secret/data/app\" }}{{ base64Decode .Data.data.user }}{{ end }}",
            "{{ with secret \"secret/data/app\" }}{{ printf \"%d\" .Data.data.user | len | slice }}{{ end }}",
            "{{ with secret \"secret/data/app\" }}{{ range .Data.data.user }}{{ end }}{{ end }}",
        ] {
            let why = rendered(contents).unwrap_err();
            assert!(!why.contains("ada"), "{why}");
        }
    }

    #[test]
    fn other_delimiters_are_those() {
        let delimiters = ("<<".to_owned(), ">>".to_owned());
        let made = Template::new("X".to_owned(), "<< toUpper \"a\" >>{{".to_owned(), delimiters, Missing::Fails).unwrap();
        assert!(matches!(made.render(&Arc::default()), Rendered::Text(text) if *text == "A{{"));
    }
}
