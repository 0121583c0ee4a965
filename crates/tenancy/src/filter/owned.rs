//! Adds rows in a user's name, in one statement that also reads the user.

use rylie_entities::{Decoded, TenantOwned, User, UserId, UserRole, user};
use sea_orm::ActiveEnum;

use super::arrays::Arrays;
use super::columns::all_columns;
use crate::error::{Error, Result};
use crate::filter::Tx;
use crate::scope::{Reach, TenantScope};

impl Tx {
    /// Adds a row and its child rows in the name of a user of the unit's tenant. Returns the user.
    ///
    /// Adds nothing if the user is out of reach ([`Error::NotFound`]) or a super admin for whom the caller may not act
    /// ([`Error::Forbidden`]). Requires PostgreSQL, which checks references at the end of the statement.
    pub async fn insert_for<E, C>(
        &self,
        scope: &TenantScope,
        owner: &UserId,
        row: E::ActiveModel,
        children: Vec<C::ActiveModel>,
    ) -> Result<User>
    where
        E: TenantOwned,
        C: TenantOwned,
    {
        let connection = self.connection().await?;
        let mut arrays = Arrays::default();
        let [id, tenant, own] =
            [owner.as_str(), scope.tenant().as_str(), scope.user().id().as_str()].map(|text| arrays.bind(text));
        let (id, tenant, own) = (id?, tenant?, own?);
        let reach = match scope.reach() {
            Reach::Tenant => String::new(),
            Reach::Own => format!(r#" AND "User"."id" = {own}"#),
        };
        let columns = all_columns::<user::Entity>(self.engine());
        let super_admin = UserRole::SuperAdmin.to_value();
        let allowed = format!(r#"WHERE EXISTS (SELECT FROM owner WHERE "id" = {own} OR "role" <> '{super_admin}')"#);
        let parent = arrays.insert::<E>(vec![self.in_tenant::<E>(row)])?;
        let children = if children.is_empty() {
            String::new()
        } else {
            let children = children.into_iter().map(|child| self.in_tenant::<C>(child)).collect();
            format!(", children AS ({} {allowed})", arrays.insert::<C>(children)?)
        };
        let owner =
            format!(r#"SELECT {columns} FROM "User" WHERE "User"."id" = {id} AND "User"."tenantId" = {tenant}{reach}"#);
        let sql = format!("WITH owner AS ({owner}), parent AS ({parent} {allowed}){children} SELECT * FROM owner");
        let rows = connection.query_arrays(sql, arrays.arguments).await?;
        let owner = rows.first().ok_or(Error::NotFound { entity: "User" })?;
        let owner = user::Entity::decoded(owner)?;
        self.may_act_for(&owner.id, owner.role)?;
        Ok(owner)
    }
}
