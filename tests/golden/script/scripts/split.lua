-- One record per full kilogram, with what is left over.
function process(event, meta)
    if event.weight == null then
        error("weight is null")
    end
    local parcels = {}
    local rest = event.weight
    while rest > 0 do
        local taken = math.min(rest, 1000)
        table.insert(parcels, { id = event.id, grams = taken, line = meta.offset })
        rest = rest - taken
    end
    return array(parcels)
end
