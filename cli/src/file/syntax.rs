//! From a text to what stands in it.

use hcl_edit::Span;
use hcl_edit::expr::{Expression, Object, ObjectKey, UnaryOperator};
use hcl_edit::parser::{Error, parse_body, parse_expr};
use hcl_edit::structure::{Block, BlockLabel, Body, Structure};
use serde::de::IgnoredAny;

use super::shadow::{shadow, unmark};
use super::source::{Remark, Source};
use super::tree::{At, Item, Table, Value};

/// Reads HCL, or JSON if it begins with a brace: the agents decide so, too.
pub(crate) fn parse(source: &Source) -> Result<Table, Remark> {
    let is_json = source.text.trim_start().starts_with('{');
    if is_json {
        check_json(source)?;
    }
    let shadow = shadow(source)?;
    let reader = Reader { source, shadow: &shadow };
    let wrong = |error: Error| reader.wrong(&error);
    if is_json {
        match parse_expr(shadow.trim_end()).map_err(wrong)? {
            Expression::Object(object) => reader.object(&object),
            _ => Err(source.remark((0, 0), "this is no configuration", "begin with a stanza")),
        }
    } else {
        reader.body(&parse_body(&shadow).map_err(wrong)?)
    }
}

fn check_json(source: &Source) -> Result<(), Remark> {
    let Err(error) = serde_json::from_str::<IgnoredAny>(&source.text) else { return Ok(()) };
    let line_start: usize = source.text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let at = (line_start + error.column().saturating_sub(1)).min(source.text.len());
    let what = "a file that begins with a brace is JSON, and this is not";
    Err(source.remark((at, at), what, "write \"key\": value with commas between, or begin with a stanza to write HCL"))
}

struct Reader<'a> {
    source: &'a Source,
    shadow: &'a str,
}

impl Reader<'_> {
    /// The parser's own words, in the file's own place. They name characters that would be right, never what stands there.
    fn wrong(&self, error: &Error) -> Remark {
        let at = error.location().offset().min(self.source.text.len());
        self.source.remark((at, at), error.message(), "write KEY = VALUE or NAME { … }, each on its own line")
    }

    fn body(&self, body: &Body) -> Result<Table, Remark> {
        let items = body.iter().map(|structure| match structure {
            Structure::Attribute(attribute) => {
                let value_at = at(&attribute.value);
                let value = self.value(&attribute.value)?;
                Ok(Item { key: attribute.key.to_string(), labels: Vec::new(), value, at: at(attribute), value_at })
            }
            Structure::Block(block) => self.block(block),
        });
        Ok(Table { items: items.collect::<Result<_, _>>()? }.spread())
    }

    fn block(&self, block: &Block) -> Result<Item, Remark> {
        let label = |label: &BlockLabel| match label {
            BlockLabel::Ident(ident) => ident.to_string(),
            BlockLabel::String(text) => unmark(text),
        };
        let labels = block.labels.iter().map(label).collect();
        let value = Value::Table(self.body(&block.body)?);
        Ok(Item { key: block.ident.to_string(), labels, value, at: at(block), value_at: at(&block.ident) })
    }

    fn object(&self, object: &Object) -> Result<Table, Remark> {
        let items = object.iter().map(|(key, value)| {
            let expression = value.expr();
            let (start, end) = (key.span().map_or(0, |span| span.start), at(expression).1);
            let key = match key {
                ObjectKey::Ident(ident) => ident.to_string(),
                ObjectKey::Expression(Expression::String(text)) => unmark(text),
                ObjectKey::Expression(_) => return Err(self.source.remark((start, end), "this is no key", "write a name")),
            };
            let value = self.value(expression)?;
            Ok(Item { key, labels: Vec::new(), value, at: (start, end), value_at: at(expression) })
        });
        Ok(Table { items: items.collect::<Result<_, _>>()? }.spread())
    }

    fn value(&self, expression: &Expression) -> Result<Value, Remark> {
        let (start, end) = at(expression);
        let written = || self.shadow[start..end].to_owned();
        Ok(match expression {
            Expression::String(text) => Value::Text(unmark(text)),
            Expression::HeredocTemplate(template) => match template.template.as_single_element() {
                Some(hcl_edit::template::Element::Literal(text)) => Value::Text(unmark(text)),
                None if template.template.is_empty() => Value::Text(String::new()),
                _ => return Err(self.no_value((start, end))),
            },
            Expression::Bool(flag) => Value::Flag(*flag.value()),
            Expression::Number(_) => Value::Number(written()),
            Expression::UnaryOp(negative)
                if *negative.operator.value() == UnaryOperator::Neg && matches!(negative.expr, Expression::Number(_)) =>
            {
                Value::Number(written())
            }
            Expression::Array(array) => Value::List(array.iter().map(|value| self.value(value)).collect::<Result<_, _>>()?),
            Expression::Object(object) => Value::Table(self.object(object)?),
            _ => return Err(self.no_value((start, end))),
        })
    }

    fn no_value(&self, at: At) -> Remark {
        self.source.remark(at, "nothing is evaluated here", "write the value itself, a text in quotes")
    }
}

fn at(what: &impl Span) -> At {
    what.span().map_or((0, 0), |span| (span.start, span.end))
}
