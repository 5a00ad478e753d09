//! What stands in a file, whether it was written as a stanza, as an object or in JSON.

/// Where something begins and ends, in bytes.
pub(crate) type At = (usize, usize);

/// The items of a stanza, or of the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) items: Vec<Item>,
}

/// A key with its value, or a stanza.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) key: String,
    /// `sink "file"` has one.
    pub(crate) labels: Vec<String>,
    pub(crate) value: Value,
    /// All of it.
    pub(crate) at: At,
    /// Its value alone.
    pub(crate) value_at: At,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    /// As it is written: `0600` is not 600.
    Number(String),
    Flag(bool),
    List(Vec<Value>),
    Table(Table),
}

impl Table {
    pub(crate) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Item> {
        self.items.iter().filter(move |item| item.key == key)
    }

    pub(crate) fn first<'a>(&'a self, key: &'a str) -> Option<&'a Item> {
        self.all(key).next()
    }

    /// What `sinks = [{…}, {…}]` means: one item for each.
    pub(crate) fn spread(self) -> Self {
        let items = self.items.into_iter().flat_map(|item| match item.value {
            Value::List(values) if !values.is_empty() && values.iter().all(|value| matches!(value, Value::Table(_))) => {
                let of =
                    |value| Item { value, key: item.key.clone(), labels: item.labels.clone(), ..item_at(item.at, item.value_at) };
                values.into_iter().map(of).collect()
            }
            value => vec![Item { value, ..item }],
        });
        Self { items: items.collect() }
    }
}

const fn item_at(at: At, value_at: At) -> Item {
    Item { key: String::new(), labels: Vec::new(), value: Value::Flag(false), at, value_at }
}

impl Item {
    pub(crate) const fn table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The name that a stanza bears, or its `type`.
    pub(crate) fn kind(&self) -> Option<&str> {
        let of_type = || self.table()?.first("type")?.text();
        of_type().or_else(|| self.labels.first().map(String::as_str))
    }
}
