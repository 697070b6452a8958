-- Counts an attempt under every key, or under none: {0, 0, cleared}, or which key stands longest in its way
-- and for how many milliseconds. 'cleared' says for each key how many milliseconds ago a success has cleared
-- its failures in a row, and -1 where that is not known. KEYS: one a limit. ARGV: the time, and for each key how it counts
-- ('S' a stream, 'R' failures in a row, 'M' different members) with three values.
local now = tonumber(ARGV[1])

local function limit(i)
  local at = 2 + (i - 1) * 4
  return ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), ARGV[at + 3]
end

-- No pause is longer than the longest; the last argument says how long that is.
local first_pause, longest_pause = tonumber(ARGV[#ARGV - 1]), tonumber(ARGV[#ARGV])

local function next_in_stream(key, spacing, at_once)
  local next = tonumber(redis.call('GET', key) or '0')
  return math.min(math.max(next, now), now + spacing * at_once)
end

local worst, which = 0, 0
for i, key in ipairs(KEYS) do
  local kind, a, b, member = limit(i)
  local wait = 0
  if kind == 'S' then
    wait = next_in_stream(key, a, b) + a - now - a * b
  elseif kind == 'R' then
    local row = redis.call('HMGET', key, 'until', 'ends')
    if row[1] and tonumber(row[2]) > now then
      wait = math.min(tonumber(row[1]) - now, longest_pause)
    end
  else
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    if not redis.call('ZSCORE', key, member) and redis.call('ZCARD', key) >= a then
      local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
      wait = math.min(tonumber(first[2]) - now, b)
    end
  end
  if wait > 0 and wait >= worst then
    worst, which = wait, i
  end
end
if which > 0 then
  return {which, math.ceil(worst), {}}
end

local cleared = {}
for i, key in ipairs(KEYS) do
  local kind, a, b, member = limit(i)
  cleared[i] = -1
  if kind == 'S' then
    local next = next_in_stream(key, a, b) + a
    redis.call('SET', key, string.format('%.0f', next), 'PX', math.ceil(next - now))
  elseif kind == 'R' then
    local row = redis.call('HMGET', key, 'count', 'ends', 'cleared')
    local count = 1
    if row[1] and tonumber(row[2]) > now then
      count = tonumber(row[1]) + 1
    end
    if row[3] then
      cleared[i] = math.max(0, now - tonumber(row[3]))
    end
    local pause = 0
    if count >= a then
      pause = math.min(first_pause * 2 ^ math.min(count - a, 16), longest_pause)
    end
    redis.call('HSET', key, 'count', count, 'until', string.format('%.0f', now + pause),
      'ends', string.format('%.0f', now + pause + b))
    redis.call('PEXPIRE', key, math.ceil(pause + b))
  else
    redis.call('ZADD', key, now + b, member)
    redis.call('PEXPIRE', key, b)
  end
end
return {0, 0, cleared}
