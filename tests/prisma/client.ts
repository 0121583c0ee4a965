// Calls of the Prisma service, over and over, until a line arrives on standard input. Each answer is compared with what
// was written before. At the end it prints one line of JSON: rounds, longest round in milliseconds, failures by text.
import { PrismaPg } from '@prisma/adapter-pg'
import { strict as assert } from 'node:assert'
import { randomUUID } from 'node:crypto'
import { PrismaClient } from './generated/client'

const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL, max: 4 }) })

async function round() {
  const unique = randomUUID()
  const agency = await prisma.agency.create({ data: { name: unique, domain: unique } })
  const email = `${unique}@example.com`
  const user = await prisma.user.create({ data: { email, role: 'AGENCY_ADMIN', agencyId: agency.id } })
  const session = { sessionToken: unique, userId: user.id, expires: new Date(Date.now() + 3600_000) }
  await prisma.session.create({ data: session })
  const signedIn = await prisma.session.findUnique({ where: { sessionToken: unique }, include: { user: true } })
  assert.equal(signedIn?.user.email, email)

  // A request with its tasks, in an interactive transaction, as the guide creates them.
  const request = await prisma.$transaction(async tx => {
    const data = { title: unique, description: 'd', type: 'page', userId: user.id, agencyId: agency.id, keywords: ['a'] }
    const made = await tx.request.create({ data })
    for (const type of ['PAGE', 'BLOG'] as const) {
      await tx.task.create({ data: { title: type, type, userId: user.id, requestId: made.id } })
    }
    return made
  })
  const where = { agencyId: agency.id }
  const [page, total] = await Promise.all([
    prisma.request.findMany({ where, include: { tasks: true }, orderBy: { createdAt: 'desc' }, take: 50 }),
    prisma.request.count({ where }),
  ])
  assert.deepEqual([page.length, page[0].tasks.length, total], [1, 2, 1])

  const done = { status: 'COMPLETED', completedAt: new Date() } as const
  assert.equal((await prisma.task.updateMany({ where: { requestId: request.id }, data: done })).count, 2)
  assert.equal((await prisma.request.update({ where: { id: request.id }, data: done })).status, 'COMPLETED')
  // The user moves to another agency and back, and its request does, too.
  const other = await prisma.agency.create({ data: { name: unique } })
  for (const agencyId of [other.id, agency.id]) {
    await prisma.user.update({ where: { id: user.id }, data: { agencyId } })
    await prisma.request.update({ where: { id: request.id }, data: { agencyId } })
  }
  for (const accessToken of ['first', 'second']) {
    const token = { accessToken, propertyId: 'p' }
    await prisma.gA4Connection.upsert({ where: { userId: user.id }, create: { userId: user.id, ...token }, update: token })
  }
  assert.equal((await prisma.gA4Connection.findUnique({ where: { userId: user.id } }))?.accessToken, 'second')
  const groups = await prisma.task.groupBy({ by: ['status'], where: { userId: user.id }, _count: true })
  assert.deepEqual(groups.map(group => [group.status, group._count]), [['COMPLETED', 2]])
  const raw = await prisma.$queryRaw<{ n: bigint }[]>`SELECT count(*) AS n FROM "Task" WHERE "userId" = ${user.id}`
  assert.equal(raw[0].n, 2n)
  const usage = { pagesUsedThisPeriod: { increment: 1 } }
  assert.equal((await prisma.user.update({ where: { id: user.id }, data: usage })).pagesUsedThisPeriod, 1)

  // Every second round leaves its rows, so that the adoption has some to fill.
  if (Math.random() < 0.5) return
  await prisma.request.delete({ where: { id: request.id } })
  assert.equal(await prisma.task.count({ where: { requestId: request.id } }), 0)
  await prisma.user.delete({ where: { id: user.id } })
  assert.equal(await prisma.session.count({ where: { userId: user.id } }), 0)
  await prisma.agency.deleteMany({ where: { id: { in: [agency.id, other.id] } } })
}

let ended = false
process.stdin.once('data', () => (ended = true))
const failures: Record<string, number> = {}
let rounds = 0
let longest = 0
do {
  const begun = Date.now()
  try {
    await round()
    rounds += 1
  } catch (error) {
    const text = String(error).replace(/\s+/g, ' ').slice(-200)
    failures[text] = (failures[text] ?? 0) + 1
  }
  longest = Math.max(longest, Date.now() - begun)
} while (!ended)
await prisma.$disconnect()
console.log(JSON.stringify({ rounds, longest, failures }))
process.exit(0)
