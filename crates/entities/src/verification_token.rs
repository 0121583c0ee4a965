//! A one-time token sent to an address, before any tenant is known.

use sea_orm::entity::prelude::*;
use serde::Serialize;

use crate::{Timestamp, Token};

/// A one-time token sent to an address, before any tenant is known.
#[sea_orm::model]
#[derive(Clone, Debug, DeriveEntityModel, Eq, PartialEq, Serialize)]
#[sea_orm(table_name = "VerificationToken", rename_all = "camelCase")]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// The address it was sent to.
    #[sea_orm(column_type = "Text")]
    pub identifier: String,
    /// The secret in the link; unique.
    #[sea_orm(primary_key, auto_increment = false)]
    #[serde(skip_serializing)]
    pub token: Token,
    /// First instant at which it is invalid.
    pub expires: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}

impl crate::Decoded for Entity {}

pub use Model as VerificationToken;
