//! The two slots, in files that name themselves.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use turquoise_runtime::core::{Color, Mint};
use turquoise_runtime::memory::ExposeSecret as _;
use turquoise_runtime::port::Credential;
use zeroize::Zeroizing;

use crate::error::SinkError;
use crate::folder::{Folder, Name, Permits};
use crate::seal::Key;
use crate::slot::{self, Unsound};

/// The slots `.NAME.blue` and `.NAME.green` in a folder, sealed if there is a key.
pub(crate) struct Slots {
    pub(crate) folder: Folder,
    blue: Name,
    green: Name,
    key: Option<Key>,
}

impl Slots {
    /// The slots of this path, whose folder must exist; removes what a dead process left half written.
    pub(crate) fn open(path: &Path, key: Option<Key>) -> Result<Self, SinkError> {
        let name = path.file_name().ok_or_else(|| SinkError::NoName { path: path.to_owned() })?;
        let slots = Self {
            folder: Folder::open(folder_of(path))?,
            blue: Name { file: hidden(name, "blue"), temporary: hidden(name, "blue.tmp") },
            green: Name { file: hidden(name, "green"), temporary: hidden(name, "green.tmp") },
            key,
        };
        for name in [&slots.blue, &slots.green] {
            slots.folder.clean(name)?;
        }
        Ok(slots)
    }

    pub(crate) fn load(&mut self) -> Result<Vec<Credential>, SinkError> {
        // Whoever renamed a slot into place may have died before its sync; what we answer is relied on.
        self.folder.sync()?;
        let (blue, green) = (self.look(Color::Blue)?, self.look(Color::Green)?);
        Ok(blue.into_iter().chain(green).collect())
    }

    pub(crate) fn persist(&mut self, credential: &Credential) -> Result<(), SinkError> {
        refuse_empty(credential)?;
        let Mint { slot, generation } = credential.mint;
        if let Some(held) = self.look_for(credential.mint)?
            && held.secret.expose_secret() != credential.secret.expose_secret()
        {
            return Err(SinkError::OtherSecret { slot, generation });
        }
        let name = self.name(slot).clone();
        let bytes = self.encode(credential).map_err(|cause| SinkError::Io {
            doing: "encode",
            path: self.folder.join(&name.file),
            cause,
        })?;
        self.folder.replace(&name, Permits::PRIVATE, &bytes)
    }

    pub(crate) fn clear(&mut self, mint: Mint) -> Result<(), SinkError> {
        self.look_for(mint)?;
        let name = self.name(mint.slot).clone();
        self.folder.remove(&name.file)
    }

    const fn name(&self, slot: Color) -> &Name {
        match slot {
            Color::Blue => &self.blue,
            Color::Green => &self.green,
        }
    }

    /// What is in a slot.
    fn look(&self, color: Color) -> Result<Option<Credential>, SinkError> {
        let file = &self.name(color).file;
        let Some(bytes) = self.folder.read(file)? else { return Ok(None) };
        self.decode(&bytes, color).map(Some).map_err(|unsound| match unsound {
            Unsound::Damaged(what) => SinkError::Damaged { path: self.folder.join(file), what },
            Unsound::Newer(version) => SinkError::Newer { path: self.folder.join(file), version },
        })
    }

    /// What is in the slot of a mint, which must be that mint or nothing.
    fn look_for(&self, mint: Mint) -> Result<Option<Credential>, SinkError> {
        let found = self.look(mint.slot)?;
        match &found {
            Some(Credential { mint: held, .. }) if *held != mint => {
                Err(SinkError::Occupied { slot: mint.slot, held: held.generation, asked: mint.generation })
            }
            _ => Ok(found),
        }
    }

    fn encode(&self, credential: &Credential) -> std::io::Result<Zeroizing<Vec<u8>>> {
        let plain = slot::encode(credential)?;
        match &self.key {
            Some(key) => key.seal(credential.mint.slot, plain),
            None => Ok(plain),
        }
    }

    fn decode(&self, bytes: &[u8], color: Color) -> Result<Credential, Unsound> {
        match &self.key {
            Some(key) => slot::decode(&key.open(color, bytes)?, color),
            None => slot::decode(bytes, color),
        }
    }
}

pub(crate) fn refuse_empty(credential: &Credential) -> Result<(), SinkError> {
    if credential.secret.expose_secret().is_empty() { Err(SinkError::Empty) } else { Ok(()) }
}

/// The folder that a path lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The name of a file that belongs to the published one.
pub(crate) fn hidden(name: &OsStr, kind: &str) -> OsString {
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".");
    hidden.push(kind);
    hidden
}
