UPDATE "User" SET
    "pagesUsedThisPeriod" = 0,
    "blogsUsedThisPeriod" = 0,
    "gbpPostsUsedThisPeriod" = 0,
    "improvementsUsedThisPeriod" = 0,
    "currentBillingPeriodStart" = {next_start},
    "currentBillingPeriodEnd" = {next_end},
    "updatedAt" = $1
WHERE "id" IN (
    SELECT "id" FROM "User"
    WHERE {due}
      AND "id" > $2 AND "id" <= $3
)
