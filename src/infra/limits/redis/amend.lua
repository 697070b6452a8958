-- Takes back what was counted. KEYS: one a limit. ARGV: the time, and for each key what is taken
-- back ('G' one place in a stream, 'B' the last failure in a row, 'M' a member, 'F' everything)
-- with two values.
local now = tonumber(ARGV[1])
for i, key in ipairs(KEYS) do
  local at = 2 + (i - 1) * 3
  local kind, a, member = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2]
  if kind == 'F' then
    -- Another instance may have counted failures as well, and is told by its next attempt.
    local row = redis.call('HMGET', key, 'count', 'cleared')
    if row[2] or tonumber(row[1] or '0') > 1 then
      redis.call('HSET', key, 'count', 0, 'until', 0, 'cleared', string.format('%.0f', now))
    else
      redis.call('DEL', key)
    end
  elseif kind == 'M' then
    redis.call('ZREM', key, member)
  elseif kind == 'G' then
    local next = tonumber(redis.call('GET', key) or '0') - a
    if next > now then
      redis.call('SET', key, string.format('%.0f', next), 'PX', math.ceil(next - now))
    else
      redis.call('DEL', key)
    end
  elseif kind == 'B' and redis.call('EXISTS', key) == 1 then
    if redis.call('HINCRBY', key, 'count', -1) < 0 then redis.call('HSET', key, 'count', 0) end
    redis.call('HSET', key, 'until', string.format('%.0f', now),
      'ends', string.format('%.0f', now + a))
    redis.call('PEXPIRE', key, a)
  end
end
return 0
