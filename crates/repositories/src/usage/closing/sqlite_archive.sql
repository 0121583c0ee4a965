INSERT INTO "MonthlyUsage" ("id", "userId", "tenantId", "month", "year", "packageType",
                            "pagesUsed", "blogsUsed", "gbpPostsUsed", "improvementsUsed", "archivedAt")
SELECT lower(hex(randomblob(16))), "id", "tenantId",
       CAST(strftime('%m', {archived_under}) AS INTEGER), CAST(strftime('%Y', {archived_under}) AS INTEGER),
       "activePackageType", "pagesUsedThisPeriod", "blogsUsedThisPeriod", "gbpPostsUsedThisPeriod",
       "improvementsUsedThisPeriod", $1
FROM "User"
WHERE "id" IN (
    SELECT "id" FROM "User"
    WHERE {due}
      AND "id" > $2 AND "id" <= $3
)
ON CONFLICT ("userId", "month", "year") DO UPDATE SET
    "pagesUsed" = "MonthlyUsage"."pagesUsed" + excluded."pagesUsed",
    "blogsUsed" = "MonthlyUsage"."blogsUsed" + excluded."blogsUsed",
    "gbpPostsUsed" = "MonthlyUsage"."gbpPostsUsed" + excluded."gbpPostsUsed",
    "improvementsUsed" = "MonthlyUsage"."improvementsUsed" + excluded."improvementsUsed",
    "packageType" = excluded."packageType",
    "archivedAt" = excluded."archivedAt"
