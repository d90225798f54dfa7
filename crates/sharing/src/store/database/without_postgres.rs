//! In a build without the feature `postgres`: says so.

use super::{Database, Work};
use crate::{
    config::database_url::{WITHOUT_POSTGRES, without_password},
    store::StoreError,
};

/// There is none.
pub(super) enum Postgres {}

impl Postgres {
    pub fn open(address: &str, _: usize) -> Result<Self, StoreError> {
        Err(StoreError::Open { path: without_password(address), why: WITHOUT_POSTGRES.to_owned() })
    }
}

impl Database for Postgres {
    fn write(&self, _: Work<'_>) -> Result<(), StoreError> {
        match *self {}
    }

    fn read(&self, _: Work<'_>) -> Result<(), StoreError> {
        match *self {}
    }

    fn scrub(&self) -> Result<(), StoreError> {
        match *self {}
    }

    fn is_in_place(&self) -> Result<(), StoreError> {
        match *self {}
    }
}
