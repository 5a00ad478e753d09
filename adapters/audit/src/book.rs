//! The story of each credential of one identity, as far as the log tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::entry::{Answer, Entry, Made, Named, Print};
use crate::judge::Told;
use crate::log::{Whose, journal_of};

/// What a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A token.
    Token,
    /// An AppRole's secret id.
    SecretId,
}

/// Who ended a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// It ended itself.
    Itself,
    /// Another credential of the identity did.
    Ours,
    /// Somebody else did.
    Others,
    /// Nobody: its life was over.
    Time,
}

/// How a credential began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// No other one of the identity lived: it is what the identity begins with, or begins anew with.
    Alone,
    /// Another one did: it is a candidate.
    Beside,
}

/// How a credential ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// When.
    pub at: SystemTime,
    /// By whom.
    pub by: By,
}

/// A credential of an identity.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Credential {
    /// What it is.
    pub kind: Kind,
    /// What stands for it in the log.
    pub print: Print,
    /// Its accessor, as the log has it.
    pub accessor: Option<Arc<str>>,
    /// The generation that it was minted for; nothing for one that was adopted.
    pub rotation: Option<Arc<str>>,
    /// When it was minted; when it was first borne, if the log begins later.
    pub since: SystemTime,
    /// Whether another one of the identity lived when it began.
    pub beginning: Beginning,
    /// The token that minted it.
    pub minter: Option<Print>,
    /// What was left of its life, and when that was said: at its mint and at each renewal.
    pub lives: Vec<(SystemTime, Option<Duration>)>,
    /// When its end was asked for and done.
    pub ended: Option<End>,
    /// When its end was asked for, whether that was answered or not.
    pub end_asked: Option<SystemTime>,
    /// When it was first accepted for anything but its own renewal and end.
    pub proven: Option<SystemTime>,
    /// When it was accepted for the last time, for what is not its own management.
    pub last_work: Option<SystemTime>,
    /// How often it was accepted for that.
    pub worked: usize,
    /// When it was refused for that as being of no use.
    pub refused: Vec<SystemTime>,
    /// When another credential looked for it and was told that there is no such.
    pub seen_dead: Option<SystemTime>,
    /// The tokens that were made with it, and are none of the identity's own.
    pub children: Vec<Print>,
    /// The leases that were taken with it.
    pub leases: Vec<Arc<str>>,
    /// When it, or for a secret id a token that it was used for, asked for what only a rotation asks for.
    pub managed: Vec<SystemTime>,
}

impl Credential {
    fn new(kind: Kind, print: Print, since: SystemTime) -> Self {
        Self {
            kind,
            print,
            accessor: None,
            rotation: None,
            since,
            beginning: Beginning::Beside,
            minter: None,
            lives: Vec::new(),
            ended: None,
            end_asked: None,
            proven: None,
            last_work: None,
            worked: 0,
            refused: Vec::new(),
            seen_dead: None,
            children: Vec::new(),
            leases: Vec::new(),
            managed: Vec::new(),
        }
    }

    /// Its generation, else its accessor, else what stands for it.
    pub fn name(&self) -> String {
        let accessor = || self.accessor.as_deref().filter(|name| !name.starts_with("hmac-")).map(str::to_owned);
        self.rotation.as_deref().map(str::to_owned).or_else(accessor).unwrap_or_else(|| self.print.to_string())
    }

    /// When its life is over if nobody asks for anything more; nothing for one without an end.
    pub fn expires(&self) -> Option<SystemTime> {
        self.lives.last().and_then(|(at, life)| life.map(|life| *at + life))
    }

    /// Its end: asked for, or natural and before `now`.
    pub fn end(&self, now: SystemTime) -> Option<End> {
        let natural = self.expires().filter(|at| *at <= now).map(|at| End { at, by: By::Time });
        match (self.ended, natural) {
            (Some(ended), Some(natural)) if natural.at < ended.at => Some(natural),
            (Some(ended), _) => Some(ended),
            (None, natural) => self.vanished(natural).or(natural),
        }
    }

    /// Its end was asked for without an answer, and from then on it was of no use.
    fn vanished(&self, natural: Option<End>) -> Option<End> {
        let at = self.end_asked.filter(|at| natural.is_none_or(|natural| *at < natural.at))?;
        let dead = self.seen_dead.is_some() || self.refused.iter().any(|refused| *refused >= at);
        dead.then_some(End { at, by: By::Itself })
    }

    /// Whether it lives at a moment.
    pub fn lives_at(&self, moment: SystemTime) -> bool {
        let life_then = self.lives.iter().rev().find(|(at, _)| *at <= moment);
        let runs = life_then.is_none_or(|(at, life)| life.is_none_or(|life| moment < *at + life));
        self.since <= moment && runs && self.end(moment).is_none_or(|end| end.at > moment)
    }

    /// When it was made current, as that looks from outside: its life was extended, or, where that cannot be, it was proven.
    pub fn taken(&self) -> Option<SystemTime> {
        if self.kind == Kind::SecretId || self.beginning == Beginning::Alone {
            return self.proven;
        }
        let ends = self.lives.iter().map(|(at, life)| life.map(|life| *at + life)).collect::<Vec<_>>();
        let longer = |pair: &[Option<SystemTime>]| match pair {
            [Some(before), Some(after)] => *after > *before + Duration::from_secs(1),
            [Some(_), None] => true,
            _ => false,
        };
        ends.windows(2).position(longer).map(|place| self.lives[place + 1].0)
    }
}

/// All credentials of an identity, in the order in which they began.
pub(crate) struct Book {
    pub(crate) credentials: Vec<Credential>,
    /// Tokens that were made with one of them, and what became of them.
    pub(crate) children: BTreeMap<Print, Credential>,
    /// The last moment that the log tells of.
    pub(crate) now: Option<SystemTime>,
    /// Mints under a rotation id of the identity whose answer is not in the log.
    pub(crate) mints_unanswered: Vec<(Arc<str>, SystemTime)>,
    /// Requests that one of its credentials bore or made.
    pub(crate) matched: usize,
    /// Requests that bore another one.
    pub(crate) unmatched: usize,
    /// Ends by an accessor that none is known by: whose they were is not known.
    pub(crate) ends_unknown: usize,
}

impl Book {
    pub(crate) fn of(entries: &[Entry], whose: &Whose, told: &Told) -> Self {
        let entries = &entries[..entries.partition_point(|entry| told.until.is_none_or(|until| entry.at <= until))];
        let owned = Owned::find(entries, whose);
        let mut writing = Writing::new(owned, told);
        for entry in entries {
            writing.write(entry);
        }
        writing.done(told.until.or_else(|| entries.last().map(|entry| entry.at)))
    }
}

/// Which credentials are the identity's.
struct Owned {
    kind: Kind,
    prints: BTreeSet<Print>,
    /// For a secret id: the tokens that it was used for.
    workers: BTreeMap<Print, Print>,
    journals: BTreeSet<String>,
}

impl Owned {
    fn find(entries: &[Entry], whose: &Whose) -> Self {
        let mints: Vec<_> = entries.iter().filter_map(Mint::of).collect();
        let secret_ids = mints.iter().any(|mint| mint.kind == Kind::SecretId && mint.rotation.is_some() && mint.is_of(whose));
        let kind = if secret_ids { Kind::SecretId } else { Kind::Token };
        let mut owned = Self { kind, prints: BTreeSet::new(), workers: BTreeMap::new(), journals: BTreeSet::new() };
        for mint in mints.iter().filter(|mint| mint.kind == kind && mint.is_of(whose)) {
            owned.prints.insert(mint.made.print.clone());
            owned.journals.extend(mint.rotation.as_deref().and_then(journal_of).map(str::to_owned));
        }
        for entry in entries.iter().filter(|entry| is_login(entry)) {
            if let (Some(Named::Secret(secret)), Some(made)) = (&entry.named, &entry.made) {
                owned.workers.insert(made.print.clone(), secret.clone());
            }
        }
        let minters = mints.iter().filter(|mint| mint.kind == kind && mint.is_of(whose)).filter(|mint| mint.rotation.is_some());
        let minters = minters.filter_map(|mint| mint.entry.bearer.clone());
        match kind {
            Kind::Token => owned.prints.extend(minters),
            Kind::SecretId => owned.prints.extend(minters.filter_map(|worker| owned.workers.get(&worker).cloned())),
        }
        owned.workers.retain(|_, secret| kind == Kind::SecretId && owned.prints.contains(secret));
        owned
    }
}

/// An entry by which a credential was made.
struct Mint<'a> {
    entry: &'a Entry,
    made: &'a Made,
    kind: Kind,
    /// Its generation, by the header, else by the metadata of a token that was created with them.
    rotation: Option<Arc<str>>,
    role: Option<&'a str>,
}

impl<'a> Mint<'a> {
    fn of(entry: &'a Entry) -> Option<Self> {
        let (made, path) = (entry.made.as_ref()?, &*entry.path);
        let created = path.strip_prefix("auth/token/create");
        let (kind, role) = if let Some(role) = created {
            (Kind::Token, role.strip_prefix('/'))
        } else if is_login(entry) {
            (Kind::Token, made.role.as_deref())
        } else if path.ends_with("secret-id") && !path.ends_with("/destroy") {
            (Kind::SecretId, path.split("/role/").nth(1).and_then(|rest| rest.split('/').next()))
        } else {
            return None;
        };
        let rotation = entry.rotation.clone().or_else(|| created.and_then(|_| made.rotation.clone()));
        Some(Self { entry, made, kind, rotation, role })
    }

    fn is_of(&self, whose: &Whose) -> bool {
        match whose {
            // A neighbour may log in under the same role, and so does whoever uses a secret id.
            Whose::Role(role) => self.role == Some(role) && (self.rotation.is_some() || !is_login(self.entry)),
            Whose::Journal(journal) => self.rotation.as_deref().and_then(journal_of) == Some(journal),
        }
    }
}

/// Mounts and roles may have any of these words in their names.
fn is_login(entry: &Entry) -> bool {
    let mut last = entry.path.rsplit('/').take(2);
    is_of_a_method(&entry.path) && !entry.path.contains("/role/") && last.any(|part| part == "login")
}

/// What a login with a secret id is told that is of no use; others are told of the server's troubles, or of a client that went away.
const DEAD_SECRET_ID: &str = "invalid credentials";

/// Whether only a rotation asks for this.
fn is_management(path: &str) -> bool {
    path.starts_with("auth/token/") || (is_of_a_method(path) && path.contains("/role/") && path.contains("secret-id"))
}

fn is_of_a_method(path: &str) -> bool {
    path.starts_with("auth/") && !path.starts_with("auth/token/")
}

struct Writing<'a> {
    owned: Owned,
    told: &'a Told,
    places: BTreeMap<Print, usize>,
    book: Book,
}

impl<'a> Writing<'a> {
    fn new(owned: Owned, told: &'a Told) -> Self {
        let book = Book {
            credentials: Vec::new(),
            children: BTreeMap::new(),
            now: None,
            mints_unanswered: Vec::new(),
            matched: 0,
            unmatched: 0,
            ends_unknown: 0,
        };
        Self { owned, told, places: BTreeMap::new(), book }
    }

    fn done(mut self, now: Option<SystemTime>) -> Book {
        self.book.now = now;
        let all = &mut self.book.credentials;
        all.sort_by_key(|one| one.since);
        for place in 0..all.len() {
            let (earlier, one) = (&all[..place], &all[place]);
            if !earlier.iter().any(|other| other.lives_at(one.since)) {
                all[place].beginning = Beginning::Alone;
            }
        }
        self.book
    }

    /// The credential that this stands for; begun, if it is the identity's and was not seen before.
    fn credential(&mut self, print: &Print, at: SystemTime) -> Option<&mut Credential> {
        if !self.owned.prints.contains(print) {
            return None;
        }
        let (book, kind) = (&mut self.book.credentials, self.owned.kind);
        let place = *self.places.entry(print.clone()).or_insert_with(|| {
            book.push(Credential::new(kind, print.clone(), at));
            book.len() - 1
        });
        book.get_mut(place)
    }

    fn write(&mut self, entry: &Entry) {
        self.note_mint(entry);
        self.note_renewal(entry);
        self.note_end(entry);
        let used = self.used(entry);
        let ours = used.clone().filter(|print| self.owned.prints.contains(print));
        match (&ours, &entry.bearer) {
            (Some(_), _) => self.book.matched += 1,
            (None, Some(_)) => self.book.unmatched += 1,
            (None, None) => {}
        }
        if let Some(print) = ours {
            self.note_use(&print, entry);
        } else if let Some(child) = entry.bearer.as_ref().and_then(|print| self.book.children.get_mut(print)) {
            use_it(child, entry);
        }
    }

    /// Which credential this request uses: that which it bears; a secret id, if it logs in with one or bears what it was used for.
    fn used(&self, entry: &Entry) -> Option<Print> {
        match (self.owned.kind, &entry.named) {
            (Kind::Token, _) => entry.bearer.clone(),
            (Kind::SecretId, Some(Named::Secret(secret))) if is_login(entry) => Some(secret.clone()),
            (Kind::SecretId, _) => self.owned.workers.get(entry.bearer.as_ref()?).cloned(),
        }
    }

    fn note_mint(&mut self, entry: &Entry) {
        let unanswered = entry.answer == Answer::Missing;
        if let Some(rotation) = entry.rotation.as_ref().filter(|_| unanswered) {
            if journal_of(rotation).is_some_and(|journal| self.owned.journals.contains(journal)) {
                self.book.mints_unanswered.push((Arc::clone(rotation), entry.at));
            }
            return;
        }
        let Some(mint) = Mint::of(entry) else { return };
        if let Some(one) = self.credential(&mint.made.print, entry.at) {
            one.accessor.clone_from(&mint.made.accessor);
            one.rotation = mint.rotation;
            one.minter.clone_from(&entry.bearer);
            one.lives.push((entry.at, mint.made.life));
        } else if let Some(parent) = entry.bearer.as_ref().filter(|print| self.owned.prints.contains(print)) {
            let mut child = Credential::new(Kind::Token, mint.made.print.clone(), entry.at);
            child.lives.push((entry.at, mint.made.life));
            child.minter = Some(parent.clone());
            if let Some(parent) = self.places.get(parent).and_then(|place| self.book.credentials.get_mut(*place)) {
                parent.children.push(child.print.clone());
            }
            self.book.children.insert(child.print.clone(), child);
        }
    }

    fn note_renewal(&mut self, entry: &Entry) {
        let renewed = entry.made.as_ref().filter(|_| entry.path.starts_with("auth/token/renew"));
        let Some(made) = renewed else { return };
        if let Some(child) = self.book.children.get_mut(&made.print) {
            child.lives.push((entry.at, made.life));
        } else if let Some(one) = self.credential(&made.print, entry.at) {
            one.accessor.clone_from(&made.accessor);
            one.lives.push((entry.at, made.life));
        }
    }

    fn note_end(&mut self, entry: &Entry) {
        let target = match (&*entry.path, &entry.named) {
            ("auth/token/revoke-self", _) => entry.bearer.clone(),
            ("auth/token/revoke" | "auth/token/revoke-orphan", Some(Named::Secret(print))) => Some(print.clone()),
            (path, Some(Named::Secret(print))) if path.ends_with("/secret-id/destroy") => Some(print.clone()),
            ("auth/token/revoke-accessor", Some(Named::Accessor(name))) => self.by_accessor(name, entry),
            (path, Some(Named::Accessor(name))) if path.ends_with("/secret-id-accessor/destroy") => self.by_accessor(name, entry),
            ("auth/token/lookup", Some(Named::Secret(print))) => return self.note_look(print, entry),
            (path, Some(Named::Accessor(name))) if path.ends_with("lookup-accessor") || path.ends_with("-accessor/lookup") => {
                if let Some(print) = self.known_by(name) {
                    self.note_look(&print, entry);
                }
                return;
            }
            _ => None,
        };
        let Some(target) = target else { return };
        let by = match self.used(entry).filter(|print| self.owned.prints.contains(print)) {
            Some(print) if print == target => By::Itself,
            Some(_) => By::Ours,
            None => By::Others,
        };
        if let Some(child) = self.book.children.get_mut(&target) {
            end_it(child, entry, by);
        } else if let Some(one) = self.credential(&target, entry.at) {
            end_it(one, entry, by);
        }
    }

    /// The log has the same words for one that is not there and for one that may not be looked at.
    fn note_look(&mut self, target: &Print, entry: &Entry) {
        let gone = match entry.answer {
            Answer::Refused(_) => entry.allowed == Some(true),
            Answer::Done => entry.found_nothing,
            Answer::Missing => false,
        };
        if let Some(one) = self.credential(target, entry.at).filter(|_| gone) {
            one.seen_dead.get_or_insert(entry.at);
        }
    }

    fn known_by(&self, name: &str) -> Option<Print> {
        let name = self.told.clear(name);
        let known = |one: &&Credential| one.accessor.as_deref().is_some_and(|own| self.told.clear(own) == name);
        self.book.credentials.iter().find(known).map(|one| one.print.clone())
    }

    fn by_accessor(&mut self, name: &str, entry: &Entry) -> Option<Print> {
        let known = self.known_by(name);
        let done = entry.answer == Answer::Done && !entry.found_nothing;
        if known.is_none() && done && self.told.clear(name).starts_with("hmac-") && self.in_clear() {
            self.book.ends_unknown += 1;
        }
        known
    }

    /// Whether the log has accessors in clear, but for those that are named in a body.
    fn in_clear(&self) -> bool {
        self.owned.kind == Kind::Token && self.book.credentials.iter().filter_map(|one| one.accessor.as_deref()).any(is_clear)
    }

    fn note_use(&mut self, print: &Print, entry: &Entry) {
        let Some(one) = self.credential(print, entry.at) else { return };
        use_it(one, entry);
    }
}

fn is_clear(accessor: &str) -> bool {
    !accessor.starts_with("hmac-")
}

fn end_it(one: &mut Credential, entry: &Entry, by: By) {
    if entry.answer == Answer::Done && !entry.found_nothing {
        one.ended.get_or_insert(End { at: entry.at, by });
    }
    if entry.answer == Answer::Missing || one.ended.is_some() {
        one.end_asked.get_or_insert(entry.asked);
    }
}

fn use_it(one: &mut Credential, entry: &Entry) {
    let management = is_management(&entry.path);
    if management || (is_login(entry) && entry.rotation.is_some()) {
        one.managed.push(entry.at);
    }
    if let Some(lease) = &entry.lease {
        one.leases.push(Arc::clone(lease));
    }
    let of_no_use = match one.kind {
        Kind::Token => !management && entry.bears_the_dead(),
        Kind::SecretId => is_login(entry) && matches!(&entry.answer, Answer::Refused(words) if &**words == DEAD_SECRET_ID),
    };
    if of_no_use {
        one.refused.push(entry.at);
    }
    if entry.answer != Answer::Done {
        return;
    }
    if !matches!(&*entry.path, "auth/token/revoke-self" | "auth/token/renew-self") {
        one.proven.get_or_insert(entry.at);
    }
    if !management {
        one.last_work = Some(entry.at);
        one.worked += 1;
    }
}
