//! Encryption of the secrets in the database: keys of pseudonyms, and secrets of webhooks.
//!
//! A secret is encrypted with ChaCha20-Poly1305 and a nonce of its own. What it is and whose it is
//! are authenticated with it, so that a secret that was copied to another row is refused. A file or
//! a variable gives the keys, in order: the first encrypts, and all decrypt. So a new key can be put
//! before the old one, and nothing stops while the secrets are encrypted anew.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use atomic_file::Kind;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest, Sha256};

/// The first byte of an encrypted secret, for another form one day.
const FORM: u8 = 1;
/// Length of a key's id.
const ID: usize = 8;
const LARGEST_FILE: u64 = 64 * 1024;

/// Why a secret cannot be decrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Undecryptable {
    /// The key that encrypted it is not there.
    #[error("it is encrypted with key {0}, which is not among the keys of this service")]
    NoKey(String),
    /// It was changed, or belongs to another row.
    #[error("it was changed, or belongs to another row")]
    Changed,
    /// The library refused.
    #[error("it cannot be encrypted")]
    Failed,
}

/// One key.
struct Key {
    id: [u8; ID],
    key: LessSafeKey,
}

/// Where keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// The configuration or the environment.
    Given,
    File(PathBuf),
}

/// The keys of a service, in order. A file is read again when a secret needs a key that was not there.
pub(crate) struct Keys {
    source: Source,
    current: Mutex<Arc<Vec<Key>>>,
}

impl Keys {
    /// Keys from a text: 64 hexadecimal digits each, separated by spaces, commas or line ends; what
    /// follows a # in a line is a comment.
    pub fn given(text: &str) -> Result<Keys, String> {
        Ok(Keys { source: Source::Given, current: Mutex::new(Arc::new(parse(text)?)) })
    }

    /// Keys from a file; `None` if there is no file.
    pub fn read(path: &Path) -> Result<Option<Keys>, String> {
        let Some(keys) = read(path)? else { return Ok(None) };
        Ok(Some(Keys { source: Source::File(path.to_owned()), current: Mutex::new(Arc::new(keys)) }))
    }

    /// Makes a file with a new key, for its owner only. Keys of a file that is there meanwhile are
    /// read instead. The flag says whether the file is new.
    pub fn create(path: &Path) -> Result<(Keys, bool), String> {
        let fail = |error: io::Error| format!("cannot make the file of keys {}: {error}", path.display());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(fail)?;
        // Whole under another name first: nobody reads half a file, and no file that is there is replaced.
        let whole = folder.join(format!(".{}.unfinished", uuid::Uuid::new_v4().simple()));
        write(&whole, &[&random_key()?]).map_err(fail)?;
        let linked = fs::hard_link(&whole, path);
        fs::remove_file(&whole).map_err(fail)?;
        let is_new = match linked {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(fail(error)),
        };
        let keys = Keys::read(path)?.ok_or_else(|| format!("the file of keys {} is gone again", path.display()))?;
        Ok((keys, is_new))
    }

    /// Puts a new key before those of a file; they still decrypt. Returns the id of the new key.
    pub fn rotate(path: &Path) -> Result<String, String> {
        let old = text_of(path)?.ok_or_else(|| {
            format!("there is no file of keys {}: start the service once, which makes it", path.display())
        })?;
        parse(&old).map_err(|why| format!("{}: {why}", path.display()))?;
        let new = random_key()?;
        let old = words(&old);
        let all: Vec<&str> = std::iter::once(new.as_str()).chain(old).collect();
        write(path, &all).map_err(|error| format!("cannot write the file of keys {}: {error}", path.display()))?;
        Ok(parse(&new)?.first().map(|key| hex(&key.id)).unwrap_or_default())
    }

    /// Id of the key that encrypts.
    pub fn first(&self) -> String {
        self.now().first().map(|key| hex(&key.id)).unwrap_or_default()
    }

    /// Ids of all keys, in order.
    pub fn ids(&self) -> Vec<String> {
        self.now().iter().map(|key| hex(&key.id)).collect()
    }

    /// Where the keys come from, for people.
    pub fn place(&self) -> String {
        match &self.source {
            Source::Given => "sharing.encryption.key".to_owned(),
            Source::File(path) => path.display().to_string(),
        }
    }

    /// Encrypts a secret for a place: what it is, and whose.
    pub fn encrypt(&self, secret: &[u8], place: &str) -> Result<Vec<u8>, Undecryptable> {
        let keys = self.now();
        let key = keys.first().ok_or(Undecryptable::Failed)?;
        let mut nonce = [0; NONCE_LEN];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut nonce)
            .map_err(|_| Undecryptable::Failed)?;
        let mut sealed = secret.to_vec();
        key.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place.as_bytes()), &mut sealed)
            .map_err(|_| Undecryptable::Failed)?;
        let mut out = vec![FORM];
        out.extend(key.id);
        out.extend(nonce);
        out.extend(sealed);
        Ok(out)
    }

    /// Decrypts what was encrypted for that place.
    pub fn decrypt(&self, sealed: &[u8], place: &str) -> Result<Vec<u8>, Undecryptable> {
        let id = key_of(sealed).ok_or(Undecryptable::Changed)?;
        let mut keys = self.now();
        if !keys.iter().any(|key| key.id == id) {
            self.read_again();
            keys = self.now();
        }
        let key = keys.iter().find(|key| key.id == id).ok_or_else(|| Undecryptable::NoKey(hex(&id)))?;
        let (head, body) = sealed.split_at(1 + ID + NONCE_LEN);
        let nonce = head[1 + ID..].try_into().map_err(|_| Undecryptable::Changed)?;
        let mut body = body.to_vec();
        let plain = key
            .key
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(place.as_bytes()), &mut body)
            .map_err(|_| Undecryptable::Changed)?;
        Ok(plain.to_vec())
    }

    fn now(&self) -> Arc<Vec<Key>> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Another program may have put a new key into the file.
    fn read_again(&self) {
        let Source::File(path) = &self.source else { return };
        match read(path) {
            Ok(Some(keys)) => *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys),
            Ok(None) => {
                tracing::error!(path = %path.display(), "the file of keys is gone; the keys read before stay in use")
            }
            Err(why) => tracing::error!(%why, "the file of keys cannot be read; the keys read before stay in use"),
        }
    }
}

/// Id of the key that encrypted a secret; `None` if it does not have the form of an encrypted secret.
pub(crate) fn key_of(sealed: &[u8]) -> Option<[u8; ID]> {
    let whole = sealed.len() >= 1 + ID + NONCE_LEN + CHACHA20_POLY1305.tag_len() && sealed.first() == Some(&FORM);
    whole.then(|| sealed.get(1..1 + ID)?.try_into().ok()).flatten()
}

/// The id of a key as people see it.
pub(crate) fn hex(id: &[u8; ID]) -> String {
    text_format::hex(id)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .flat_map(|line| line.split(|c: char| c.is_whitespace() || c == ','))
        .filter(|word| !word.is_empty())
}

fn parse(text: &str) -> Result<Vec<Key>, String> {
    let keys = words(text).enumerate().map(|(n, word)| {
        let bytes = bytes(word).ok_or_else(|| {
            // Without the word itself: it may be most of a key.
            format!("key {} is not 64 hexadecimal digits: `openssl rand -hex 32` makes a key", n + 1)
        })?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(|_| format!("key {} cannot be used", n + 1))?;
        let mut hash = Sha256::new_with_prefix(b"lockstep: id of an encryption key\0");
        hash.update(bytes);
        let mut id = [0; ID];
        id.copy_from_slice(&hash.finalize()[..ID]);
        Ok(Key { id, key: LessSafeKey::new(key) })
    });
    let keys: Vec<Key> = keys.collect::<Result<_, String>>()?;
    match keys.is_empty() {
        true => Err("there is no key: `openssl rand -hex 32` makes one".to_owned()),
        false => Ok(keys),
    }
}

fn bytes(digits: &str) -> Option<[u8; 32]> {
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then_some(bytes)
}

fn random_key() -> Result<String, String> {
    let mut key = [0; 32];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut key)
        .map_err(|_| "the operating system gives no random numbers".to_owned())?;
    Ok(text_format::hex(&key))
}

fn write(path: &Path, keys: &[&str]) -> io::Result<()> {
    atomic_file::write(path, Kind::Secret, |file| {
        file.write_all(
            b"# Keys of the secrets in the sharing database. The first encrypts, all decrypt. Keep a copy apart from the database's\n\
              # backups: without the key the secrets of webhooks are lost. `lockstep encryption rotate` puts a new key first.\n",
        )?;
        keys.iter().try_for_each(|key| writeln!(file, "{key}"))
    })
}

fn text_of(path: &Path) -> Result<Option<String>, String> {
    let fail =
        |error: io::Error| format!("cannot read the file of keys {}: {error}; check its permissions", path.display());
    match fs::metadata(path) {
        Ok(meta) if meta.len() > LARGEST_FILE => {
            Err(format!("{} is too large for a file of keys; is the path right?", path.display()))
        }
        Ok(_) => fs::read_to_string(path).map(Some).map_err(fail),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fail(error)),
    }
}

fn read(path: &Path) -> Result<Option<Vec<Key>>, String> {
    let Some(text) = text_of(path)? else { return Ok(None) };
    parse(&text).map(Some).map_err(|why| format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222222222222222222222222222";

    #[test]
    fn a_secret_comes_back_at_its_own_place_with_its_own_key_and_nowhere_else() {
        let keys = Keys::given(ONE).unwrap();
        let sealed = keys.encrypt(b"secret", "webhook of birds").unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        assert_ne!(sealed, keys.encrypt(b"secret", "webhook of birds").unwrap(), "every nonce is new");
        assert_eq!(keys.decrypt(&sealed, "webhook of birds").unwrap(), b"secret");
        assert_eq!(keys.decrypt(&sealed, "webhook of blue"), Err(Undecryptable::Changed));
        for n in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[n] ^= 1;
            assert!(keys.decrypt(&changed, "webhook of birds").is_err(), "byte {n}");
            assert!(keys.decrypt(&sealed[..n], "webhook of birds").is_err(), "the first {n} bytes");
        }
        let both = Keys::given(&format!("{TWO}, {ONE}")).unwrap();
        assert_eq!(both.decrypt(&sealed, "webhook of birds").unwrap(), b"secret");
        let other = Keys::given(TWO).unwrap();
        let Err(Undecryptable::NoKey(id)) = other.decrypt(&sealed, "webhook of birds") else { panic!() };
        assert_eq!(id, keys.first());
        assert_eq!(both.ids(), [other.first(), keys.first()]);
    }

    #[test]
    fn a_file_of_keys_is_made_once_for_its_owner_and_rotated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/sharing.key");
        assert!(Keys::read(&path).unwrap().is_none());
        assert!(Keys::rotate(&path).unwrap_err().contains("start the service once"));
        let (keys, is_new) = Keys::create(&path).unwrap();
        assert!(is_new);
        let (same, is_new) = Keys::create(&path).unwrap();
        assert!(!is_new);
        assert_eq!(same.ids(), keys.ids());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let sealed = keys.encrypt(b"old", "p").unwrap();
        let new = Keys::rotate(&path).unwrap();
        let rotated = Keys::read(&path).unwrap().unwrap();
        assert_eq!(rotated.ids(), [new.clone(), keys.first()]);
        assert_eq!(rotated.decrypt(&sealed, "p").unwrap(), b"old");
        // A service that has not seen the new key yet reads the file again.
        let sealed = rotated.encrypt(b"new", "p").unwrap();
        assert_eq!(keys.decrypt(&sealed, "p").unwrap(), b"new");
        assert_eq!(keys.first(), new);
        fs::remove_file(&path).unwrap();
        assert_eq!(keys.decrypt(&sealed, "p").unwrap(), b"new", "what was read stays");
    }

    #[test]
    fn what_is_no_key_is_refused_without_showing_it() {
        let short = &ONE[1..];
        for text in ["", "# nothing", short, "zz", &format!("{ONE} {short}"), &"+1".repeat(32)] {
            let why = Keys::given(text).err().unwrap();
            assert!(why.contains("openssl rand") && !why.contains("1111"), "{why}");
        }
        assert_eq!(Keys::given(&format!("# old and new\n{ONE} # first\n{TWO}\n")).unwrap().ids().len(), 2);
    }
}
