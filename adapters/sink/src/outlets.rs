//! The files that readers open, and how several of them switch as a set.

use std::ffi::OsString;
use std::path::PathBuf;

use turquoise_runtime::core::Generation;
use turquoise_runtime::port::Credential;
use zeroize::Zeroizing;

use crate::error::SinkError;
use crate::folder::{Folder, Name, Permits};
use crate::form::Form;
use crate::sink::Mode;
use crate::slot::{manifest, read_manifest};
use crate::slots::{folder_of, hidden, refuse_empty};

/// A file that readers open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlet {
    /// The file; its folder must exist.
    pub path: PathBuf,
    /// Its permissions.
    pub mode: Mode,
    /// Whom it belongs to, if not the user that we run as. To give it away takes the privilege.
    pub owner: Owner,
    /// What stands in it.
    pub form: Form,
}

/// Whom a file belongs to, where that is not who writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The user's id.
    pub user: Option<u32>,
    /// The group's id.
    pub group: Option<u32>,
}

impl Outlet {
    /// With the bare secret, for the user that we run as.
    pub fn new(path: impl Into<PathBuf>, mode: Mode) -> Self {
        Self { path: path.into(), mode, owner: Owner::default(), form: Form::Secret }
    }
}

/// One or more published files, and, where there are more, a manifest of what they hold.
pub(crate) struct Outlets {
    pub(crate) files: Vec<Published>,
    /// Beside the first file.
    manifest: Name,
}

pub(crate) struct Published {
    pub(crate) folder: Folder,
    name: Name,
    permits: Permits,
    pub(crate) form: Form,
}

impl Outlets {
    /// The files, whose folders must exist; removes what a dead process left half written.
    pub(crate) fn open(outlets: &[Outlet]) -> Result<Self, SinkError> {
        let files: Vec<_> = outlets.iter().map(Published::open).collect::<Result<_, _>>()?;
        let manifest = files.first().map_or_else(OsString::new, |first| first.name.file.clone());
        let manifest = Name { file: hidden(&manifest, "set"), temporary: hidden(&manifest, "set.tmp") };
        if let [first, _, ..] = &files[..] {
            first.folder.clean(&manifest)?;
        }
        Ok(Self { files, manifest })
    }

    /// Lets readers see a secret in all files: until the last of them is written aside and synced, none is changed.
    pub(crate) fn publish(&mut self, credential: &Credential) -> Result<(), SinkError> {
        refuse_empty(credential)?;
        let contents: Vec<_> = self.files.iter().map(|file| file.content(credential)).collect::<Result<_, _>>()?;
        let each = |files: &mut Vec<Published>, act: fn(&mut Published, &[u8]) -> Result<(), SinkError>| {
            files.iter_mut().zip(&contents).try_for_each(|(file, content)| act(file, content))
        };
        let published = each(&mut self.files, Published::stage).and_then(|()| each(&mut self.files, Published::commit));
        if published.is_err() {
            self.files.iter().for_each(Published::unstage);
            return published;
        }
        self.note(credential.mint.generation)
    }

    /// Brings files that a dead process left behind the others, or that are new, to what the set is at. What that is, the
    /// manifest says, or the first file that holds one of these.
    pub(crate) fn repair(&mut self, held: &[Credential]) -> Result<(), SinkError> {
        if self.files.len() < 2 {
            return Ok(());
        }
        let noted = self.noted()?.and_then(|generation| held.iter().find(|held| held.mint.generation == generation));
        let current = match noted {
            Some(credential) => Some(credential),
            None => self.found(held)?,
        };
        let Some(credential) = current else { return Ok(()) };
        let mut is_whole = true;
        for file in &self.files {
            let content = file.content(credential)?;
            is_whole &= file.folder.read(&file.name.file)?.is_some_and(|found| found == content);
        }
        if is_whole && noted.is_some() { Ok(()) } else { self.publish(credential) }
    }

    /// Which of these is in the first file that holds one.
    fn found<'c>(&self, held: &'c [Credential]) -> Result<Option<&'c Credential>, SinkError> {
        for file in &self.files {
            let Some(found) = file.folder.read(&file.name.file)? else { continue };
            if let Some(credential) = held.iter().find(|held| file.content(held).is_ok_and(|content| content == found)) {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }

    /// What the set is at, by its manifest. One that is damaged says nothing: it is written anew.
    fn noted(&self) -> Result<Option<Generation>, SinkError> {
        let Some(first) = self.files.first() else { return Ok(None) };
        Ok(first.folder.read(&self.manifest.file)?.and_then(|bytes| read_manifest(&bytes)))
    }

    fn note(&mut self, generation: Generation) -> Result<(), SinkError> {
        let [first, _, ..] = &mut self.files[..] else { return Ok(()) };
        let content = manifest(generation);
        first.folder.replace(&self.manifest, Permits::PRIVATE, content.as_bytes())
    }
}

impl Published {
    fn open(outlet: &Outlet) -> Result<Self, SinkError> {
        let Outlet { path, mode, owner, form } = outlet;
        let name = path.file_name().ok_or_else(|| SinkError::NoName { path: path.to_owned() })?;
        let name = Name { file: name.to_owned(), temporary: hidden(name, "new.tmp") };
        let folder = Folder::open(folder_of(path))?;
        folder.clean(&name)?;
        Ok(Self { folder, name, permits: Permits { mode: mode.bits(), owner: *owner }, form: form.clone() })
    }

    fn content(&self, credential: &Credential) -> Result<Zeroizing<Vec<u8>>, SinkError> {
        self.form.content(credential).ok_or(SinkError::Unfit)
    }

    fn stage(&mut self, content: &[u8]) -> Result<(), SinkError> {
        self.folder.stage(&self.name, self.permits, content)
    }

    fn commit(&mut self, content: &[u8]) -> Result<(), SinkError> {
        self.folder.commit(&self.name, content)
    }

    /// The next write, or the next start, tries again.
    fn unstage(&self) {
        drop(self.folder.clean(&self.name));
    }
}
