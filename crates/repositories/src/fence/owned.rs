//! Adding rows in a user's name, in one statement that reads the user as well.

use rylie_entities::{TenantOwned, User, UserId, UserRole, user};
use sea_orm::{ActiveEnum, IntoActiveModel};

use super::arrays::Arrays;
use super::columns::all_columns;
use super::decoded::Decoded;
use crate::fence::Tx;
use crate::scope::{Reach, TenantScope};
use crate::{Error, Result};

impl Tx {
    /// Adds a row and rows that refer to it, in the name of a user of the unit's tenant, who is returned. Nothing is added if the
    /// user is out of reach ([`Error::NotFound`]) or nobody to act for. PostgreSQL, which looks at references when a statement is done.
    pub(crate) async fn insert_for<E, C>(
        &self,
        scope: &TenantScope,
        owner: &UserId,
        row: E::ActiveModel,
        children: Vec<C::ActiveModel>,
    ) -> Result<User>
    where
        E: TenantOwned<Model: IntoActiveModel<E::ActiveModel> + Sync, ActiveModel: Send>,
        C: TenantOwned<Model: IntoActiveModel<C::ActiveModel> + Sync, ActiveModel: Send>,
    {
        let connection = self.connection().await?;
        let mut arrays = Arrays::default();
        let mut bound = |text: &str| {
            let added = arrays.bind(text);
            added.map(|place| format!("${place}"))
        };
        let (id, tenant) = (bound(owner.as_str())?, bound(scope.tenant().as_str())?);
        let own = bound(scope.user().id().as_str())?;
        let reach = match scope.reach() {
            Reach::Tenant => String::new(),
            Reach::Own => format!(r#" AND "User"."id" = {own}"#),
        };
        let columns = all_columns::<user::Entity>(self.engine());
        let nobody_elses = UserRole::SuperAdmin.to_value();
        let allowed = format!(r#"WHERE EXISTS (SELECT FROM owner WHERE "id" = {own} OR "role" <> '{nobody_elses}')"#);
        let parent = arrays.insert::<E>(vec![self.in_tenant::<E>(row)])?;
        let mut sql = format!(
            r#"WITH owner AS (SELECT {columns} FROM "User" WHERE "User"."id" = {id} AND "User"."tenantId" = {tenant}{reach}), parent AS ({parent} {allowed})"#
        );
        if !children.is_empty() {
            let children = children.into_iter().map(|child| self.in_tenant::<C>(child)).collect();
            let children = arrays.insert::<C>(children)?;
            sql.push_str(&format!(", children AS ({children} {allowed})"));
        }
        sql.push_str(" SELECT * FROM owner");
        let rows = connection.query_arrays(sql, arrays.arguments).await?;
        let owner = rows.first().ok_or(Error::NotFound { entity: "User" })?;
        let owner = user::Entity::decoded(owner)?;
        self.may_act_for(&owner)?;
        Ok(owner)
    }
}
