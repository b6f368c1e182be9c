-- A score that no expression can say: each further line of an order counts half of the one before.
function process(event)
    local score, weight = 0.0, 1.0
    for _, item in ipairs(event.items) do
        score = score + weight * (tonumber(item.price) or 0)
        weight = weight / 2
    end
    if score == 0 then
        return nil
    end
    return { order_id = event.order_id, score = score }
end
