-- The tables as the platform's Prisma service left them: names of constraints and indexes too.
CREATE TYPE "PackageType" AS ENUM ('SILVER', 'GOLD', 'PLATINUM')
-- statement
CREATE TYPE "RequestPriority" AS ENUM ('LOW', 'MEDIUM', 'HIGH')
-- statement
CREATE TYPE "RequestStatus" AS ENUM ('PENDING', 'IN_PROGRESS', 'COMPLETED', 'CANCELLED')
-- statement
CREATE TYPE "TaskStatus" AS ENUM ('PENDING', 'IN_PROGRESS', 'COMPLETED', 'CANCELLED')
-- statement
CREATE TYPE "TaskType" AS ENUM ('PAGE', 'BLOG', 'GBP_POST', 'IMPROVEMENT')
-- statement
CREATE TYPE "UserRole" AS ENUM ('USER', 'ADMIN', 'AGENCY_ADMIN', 'SUPER_ADMIN')
-- statement
CREATE TABLE "Agency" (
    id text NOT NULL,
    name text NOT NULL,
    domain text,
    settings jsonb DEFAULT '{}' NOT NULL,
    "createdAt" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt" timestamp(3) NOT NULL,
    CONSTRAINT "Agency_pkey" PRIMARY KEY (id)
)
-- statement
CREATE TABLE "User" (
    id text NOT NULL,
    email text NOT NULL,
    "emailVerified" timestamp(3),
    name text,
    image text,
    role "UserRole" DEFAULT 'USER' NOT NULL,
    "agencyId" text,
    "apiKey" text,
    "apiKeyCreatedAt" timestamp(3),
    "onboardingCompleted" boolean DEFAULT false NOT NULL,
    "activePackageType" "PackageType",
    "currentBillingPeriodStart" timestamp(3),
    "currentBillingPeriodEnd" timestamp(3),
    "pagesUsedThisPeriod" integer DEFAULT 0 NOT NULL,
    "blogsUsedThisPeriod" integer DEFAULT 0 NOT NULL,
    "gbpPostsUsedThisPeriod" integer DEFAULT 0 NOT NULL,
    "improvementsUsedThisPeriod" integer DEFAULT 0 NOT NULL,
    "createdAt" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt" timestamp(3) NOT NULL,
    CONSTRAINT "User_pkey" PRIMARY KEY (id)
)
-- statement
CREATE TABLE "Account" (
    id text NOT NULL,
    "userId" text NOT NULL,
    type text NOT NULL,
    provider text NOT NULL,
    "providerAccountId" text NOT NULL,
    refresh_token text,
    access_token text,
    expires_at integer,
    token_type text,
    scope text,
    id_token text,
    session_state text,
    CONSTRAINT "Account_pkey" PRIMARY KEY (id)
)
-- statement
CREATE TABLE "Session" (
    id text NOT NULL,
    "sessionToken" text NOT NULL,
    "userId" text NOT NULL,
    expires timestamp(3) NOT NULL,
    CONSTRAINT "Session_pkey" PRIMARY KEY (id)
)
-- statement
CREATE TABLE "VerificationToken" (
    identifier text NOT NULL,
    token text NOT NULL,
    expires timestamp(3) NOT NULL
)
-- statement
CREATE TABLE "UserPreferences" (
    id text NOT NULL,
    "userId" text NOT NULL,
    "emailNotifications" boolean DEFAULT true NOT NULL,
    "requestCreated" boolean DEFAULT true NOT NULL,
    "statusChanged" boolean DEFAULT true NOT NULL,
    "taskCompleted" boolean DEFAULT true NOT NULL,
    "weeklySummary" boolean DEFAULT true NOT NULL,
    "marketingEmails" boolean DEFAULT false NOT NULL,
    timezone text DEFAULT 'America/New_York',
    language text DEFAULT 'en',
    "createdAt" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt" timestamp(3) NOT NULL,
    CONSTRAINT "UserPreferences_pkey" PRIMARY KEY (id)
)
-- statement
CREATE TABLE "Request" (
    id text NOT NULL,
    "userId" text NOT NULL,
    "agencyId" text,
    title text NOT NULL,
    description text NOT NULL,
    type text NOT NULL,
    priority "RequestPriority" DEFAULT 'MEDIUM' NOT NULL,
    status "RequestStatus" DEFAULT 'PENDING' NOT NULL,
    "packageType" "PackageType",
    "pagesCompleted" integer DEFAULT 0 NOT NULL,
    "blogsCompleted" integer DEFAULT 0 NOT NULL,
    "gbpPostsCompleted" integer DEFAULT 0 NOT NULL,
    "improvementsCompleted" integer DEFAULT 0 NOT NULL,
    keywords jsonb,
    "targetUrl" text,
    "targetCities" jsonb,
    "targetModels" jsonb,
    "completedTasks" jsonb,
    "contentUrl" text,
    "pageTitle" text,
    "completedAt" timestamp(3),
    "createdAt" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt" timestamp(3) NOT NULL,
    "seoworksTaskId" text,
    CONSTRAINT "Request_pkey" PRIMARY KEY (id)
)
-- statement
CREATE TABLE "Task" (
    id text NOT NULL,
    "userId" text NOT NULL,
    "requestId" text NOT NULL,
    title text NOT NULL,
    description text,
    type "TaskType" NOT NULL,
    status "TaskStatus" DEFAULT 'PENDING' NOT NULL,
    priority "RequestPriority" DEFAULT 'MEDIUM' NOT NULL,
    "targetUrl" text,
    "targetCity" text,
    "targetModel" text,
    keywords jsonb,
    "completedUrl" text,
    "completedTitle" text,
    "completedNotes" text,
    "dueDate" timestamp(3),
    "startedAt" timestamp(3),
    "completedAt" timestamp(3),
    metadata jsonb,
    "createdAt" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt" timestamp(3) NOT NULL,
    CONSTRAINT "Task_pkey" PRIMARY KEY (id)
)
-- statement
CREATE TABLE "SEOWorksTaskMapping" (
    id text NOT NULL,
    "requestId" text NOT NULL,
    "seoworksTaskId" text NOT NULL,
    "taskType" text NOT NULL,
    status text DEFAULT 'pending' NOT NULL,
    "createdAt" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt" timestamp(3) NOT NULL,
    CONSTRAINT "SEOWorksTaskMapping_pkey" PRIMARY KEY (id),
    CONSTRAINT "SEOWorksTaskMapping_seoworksTaskId_key" UNIQUE ("seoworksTaskId")
)
-- statement
CREATE TABLE "GA4Connection" (
    id text NOT NULL,
    "userId" text NOT NULL,
    "accessToken" text NOT NULL,
    "refreshToken" text,
    "expiresAt" timestamp(3),
    "propertyId" text,
    "propertyName" text,
    "createdAt" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt" timestamp(3) NOT NULL,
    CONSTRAINT "GA4Connection_pkey" PRIMARY KEY (id)
)
-- statement
CREATE TABLE "SearchConsoleConnection" (
    id text NOT NULL,
    "userId" text NOT NULL,
    "accessToken" text NOT NULL,
    "refreshToken" text,
    "expiresAt" timestamp(3),
    "siteUrl" text,
    "siteName" text,
    "createdAt" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt" timestamp(3) NOT NULL,
    CONSTRAINT "SearchConsoleConnection_pkey" PRIMARY KEY (id)
)
-- statement
CREATE TABLE "MonthlyUsage" (
    id text NOT NULL,
    "userId" text NOT NULL,
    month integer NOT NULL,
    year integer NOT NULL,
    "packageType" "PackageType" NOT NULL,
    "pagesUsed" integer NOT NULL,
    "blogsUsed" integer NOT NULL,
    "gbpPostsUsed" integer NOT NULL,
    "improvementsUsed" integer NOT NULL,
    "archivedAt" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT "MonthlyUsage_pkey" PRIMARY KEY (id)
)
-- statement
CREATE TABLE "AuditLog" (
    id text NOT NULL,
    "userId" text NOT NULL,
    action text NOT NULL,
    resource text NOT NULL,
    "resourceId" text,
    details jsonb,
    "ipAddress" text,
    "userAgent" text,
    "createdAt" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT "AuditLog_pkey" PRIMARY KEY (id)
)
-- statement
CREATE TABLE "SystemSettings" (
    id text NOT NULL,
    "maintenanceMode" boolean DEFAULT false NOT NULL,
    "newUserRegistration" boolean DEFAULT true NOT NULL,
    "emailNotifications" boolean DEFAULT true NOT NULL,
    "auditLogging" boolean DEFAULT true NOT NULL,
    "maxUsersPerAgency" integer DEFAULT 50 NOT NULL,
    "maxRequestsPerUser" integer DEFAULT 1000 NOT NULL,
    "maxFileUploadSize" integer DEFAULT 10 NOT NULL,
    "smtpHost" text DEFAULT '' NOT NULL,
    "smtpPort" integer DEFAULT 587 NOT NULL,
    "smtpUser" text DEFAULT '' NOT NULL,
    "smtpFromEmail" text DEFAULT '' NOT NULL,
    "maintenanceMessage" text DEFAULT 'The system is currently under maintenance. Please try again later.' NOT NULL,
    "welcomeMessage" text DEFAULT 'Welcome to our SEO management platform! Get started by exploring your dashboard.' NOT NULL,
    "rateLimitPerMinute" integer DEFAULT 60 NOT NULL,
    "sessionTimeoutMinutes" integer DEFAULT 480 NOT NULL,
    "createdAt" timestamp(3) DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt" timestamp(3) NOT NULL,
    CONSTRAINT "SystemSettings_pkey" PRIMARY KEY (id)
)
-- statement
CREATE INDEX "Agency_domain_idx" ON "Agency" (domain)
-- statement
CREATE UNIQUE INDEX "Agency_domain_key" ON "Agency" (domain)
-- statement
CREATE INDEX "User_agencyId_idx" ON "User" ("agencyId")
-- statement
CREATE INDEX "User_apiKey_idx" ON "User" ("apiKey")
-- statement
CREATE UNIQUE INDEX "User_apiKey_key" ON "User" ("apiKey")
-- statement
CREATE INDEX "User_email_idx" ON "User" (email)
-- statement
CREATE UNIQUE INDEX "User_email_key" ON "User" (email)
-- statement
CREATE UNIQUE INDEX "Account_provider_providerAccountId_key" ON "Account" (provider, "providerAccountId")
-- statement
CREATE INDEX "Account_userId_idx" ON "Account" ("userId")
-- statement
CREATE UNIQUE INDEX "Session_sessionToken_key" ON "Session" ("sessionToken")
-- statement
CREATE INDEX "Session_userId_idx" ON "Session" ("userId")
-- statement
CREATE UNIQUE INDEX "VerificationToken_identifier_token_key" ON "VerificationToken" (identifier, token)
-- statement
CREATE UNIQUE INDEX "VerificationToken_token_key" ON "VerificationToken" (token)
-- statement
CREATE UNIQUE INDEX "UserPreferences_userId_key" ON "UserPreferences" ("userId")
-- statement
CREATE INDEX "Request_agencyId_status_idx" ON "Request" ("agencyId", status)
-- statement
CREATE INDEX "Request_seoworksTaskId_idx" ON "Request" ("seoworksTaskId")
-- statement
CREATE INDEX "Request_status_createdAt_idx" ON "Request" (status, "createdAt")
-- statement
CREATE INDEX "Request_userId_status_idx" ON "Request" ("userId", status)
-- statement
CREATE INDEX "Task_requestId_status_idx" ON "Task" ("requestId", status)
-- statement
CREATE INDEX "Task_status_dueDate_idx" ON "Task" (status, "dueDate")
-- statement
CREATE INDEX "Task_type_status_idx" ON "Task" (type, status)
-- statement
CREATE INDEX "Task_userId_status_idx" ON "Task" ("userId", status)
-- statement
CREATE INDEX "SEOWorksTaskMapping_requestId_idx" ON "SEOWorksTaskMapping" ("requestId")
-- statement
CREATE INDEX "SEOWorksTaskMapping_seoworksTaskId_idx" ON "SEOWorksTaskMapping" ("seoworksTaskId")
-- statement
CREATE INDEX "SEOWorksTaskMapping_status_idx" ON "SEOWorksTaskMapping" (status)
-- statement
CREATE UNIQUE INDEX "GA4Connection_userId_key" ON "GA4Connection" ("userId")
-- statement
CREATE UNIQUE INDEX "SearchConsoleConnection_userId_key" ON "SearchConsoleConnection" ("userId")
-- statement
CREATE INDEX "MonthlyUsage_userId_idx" ON "MonthlyUsage" ("userId")
-- statement
CREATE UNIQUE INDEX "MonthlyUsage_userId_month_year_key" ON "MonthlyUsage" ("userId", month, year)
-- statement
CREATE INDEX "AuditLog_action_idx" ON "AuditLog" (action)
-- statement
CREATE INDEX "AuditLog_createdAt_idx" ON "AuditLog" ("createdAt")
-- statement
CREATE INDEX "AuditLog_resource_idx" ON "AuditLog" (resource)
-- statement
CREATE INDEX "AuditLog_userId_idx" ON "AuditLog" ("userId")
-- statement
ALTER TABLE "User" ADD CONSTRAINT "User_agencyId_fkey" FOREIGN KEY ("agencyId") REFERENCES "Agency"(id) ON UPDATE CASCADE ON DELETE SET NULL
-- statement
ALTER TABLE "Account" ADD CONSTRAINT "Account_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"(id) ON UPDATE CASCADE ON DELETE CASCADE
-- statement
ALTER TABLE "Session" ADD CONSTRAINT "Session_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"(id) ON UPDATE CASCADE ON DELETE CASCADE
-- statement
ALTER TABLE "UserPreferences" ADD CONSTRAINT "UserPreferences_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"(id) ON UPDATE CASCADE ON DELETE CASCADE
-- statement
ALTER TABLE "Request" ADD CONSTRAINT "Request_agencyId_fkey" FOREIGN KEY ("agencyId") REFERENCES "Agency"(id) ON UPDATE CASCADE ON DELETE SET NULL
-- statement
ALTER TABLE "Request" ADD CONSTRAINT "Request_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"(id) ON UPDATE CASCADE ON DELETE RESTRICT
-- statement
ALTER TABLE "Task" ADD CONSTRAINT "Task_requestId_fkey" FOREIGN KEY ("requestId") REFERENCES "Request"(id) ON UPDATE CASCADE ON DELETE CASCADE
-- statement
ALTER TABLE "Task" ADD CONSTRAINT "Task_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"(id) ON UPDATE CASCADE ON DELETE RESTRICT
-- statement
ALTER TABLE "SEOWorksTaskMapping" ADD CONSTRAINT "SEOWorksTaskMapping_requestId_fkey" FOREIGN KEY ("requestId") REFERENCES "Request"(id) ON UPDATE CASCADE ON DELETE CASCADE
-- statement
ALTER TABLE "GA4Connection" ADD CONSTRAINT "GA4Connection_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"(id) ON UPDATE CASCADE ON DELETE CASCADE
-- statement
ALTER TABLE "SearchConsoleConnection" ADD CONSTRAINT "SearchConsoleConnection_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"(id) ON UPDATE CASCADE ON DELETE CASCADE
-- statement
ALTER TABLE "MonthlyUsage" ADD CONSTRAINT "MonthlyUsage_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"(id) ON UPDATE CASCADE ON DELETE CASCADE
-- statement
ALTER TABLE "AuditLog" ADD CONSTRAINT "AuditLog_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"(id) ON UPDATE CASCADE ON DELETE CASCADE
