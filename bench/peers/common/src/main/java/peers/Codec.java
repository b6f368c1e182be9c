// SPDX-License-Identifier: Apache-2.0
package peers;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HashMap;
import java.util.Map;

/** JSON work of the three workloads. TREE uses JsonNode (schema at run time), otherwise a hand-written token loop. */
public final class Codec {
  public static final boolean TREE = !"stream".equals(System.getProperty("json", "tree"));
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final JsonFactory FACTORY = MAPPER.getFactory();
  private static final char[] HEX = "0123456789abcdef".toCharArray();
  private static final Map<String, String> CAMPAIGN = new HashMap<>();
  static {
    for (int i = 0; i < 1000; i++) CAMPAIGN.put(String.format("ad-%04d", i), String.format("campaign-%02d", i % 100));
  }

  private final MessageDigest sha;
  private final ByteArrayOutputStream out = new ByteArrayOutputStream(256);

  public Codec() {
    try { sha = MessageDigest.getInstance("SHA-256"); } catch (Exception e) { throw new IllegalStateException(e); }
  }

  private String mask(String s) {
    byte[] d = sha.digest(s.getBytes(StandardCharsets.UTF_8));
    char[] c = new char[16];
    for (int i = 0; i < 8; i++) { c[2 * i] = HEX[d[i] >> 4 & 15]; c[2 * i + 1] = HEX[d[i] & 15]; }
    return new String(c);
  }

  /** W1: null when filtered out, else the projected event. */
  public byte[] etl(byte[] in) throws IOException {
    if (TREE) {
      JsonNode e = MAPPER.readTree(in);
      double amount = e.get("amount").doubleValue();
      if (amount < 10) return null;
      ObjectNode o = MAPPER.createObjectNode();
      o.set("id", e.get("event_id"));
      o.set("t", e.get("ts"));
      o.set("amt", e.get("amount"));
      o.set("merchant", e.get("merchant_id"));
      o.set("cc", e.get("country"));
      o.put("card", mask(e.get("card_number").textValue()));
      o.put("fee", Math.round(amount * 1.5) / 100.0);
      return MAPPER.writeValueAsBytes(o);
    }
    String id = null, merchant = null, cc = null, card = null;
    long t = 0;
    double amount = 0;
    try (JsonParser p = FACTORY.createParser(in)) {
      p.nextToken();
      for (String f; (f = p.nextFieldName()) != null; ) {
        JsonToken v = p.nextToken();
        switch (f) {
          case "event_id" -> id = p.getText();
          case "ts" -> t = p.getLongValue();
          case "amount" -> { amount = p.getDoubleValue(); if (amount < 10) return null; }
          case "merchant_id" -> merchant = p.getText();
          case "country" -> cc = p.getText();
          case "card_number" -> card = p.getText();
          default -> { }
        }
      }
    }
    out.reset();
    try (JsonGenerator g = FACTORY.createGenerator(out)) {
      g.writeStartObject();
      g.writeStringField("id", id);
      g.writeNumberField("t", t);
      g.writeNumberField("amt", amount);
      g.writeStringField("merchant", merchant);
      g.writeStringField("cc", cc);
      g.writeStringField("card", mask(card));
      g.writeNumberField("fee", Math.round(amount * 1.5) / 100.0);
      g.writeEndObject();
    }
    return out.toByteArray();
  }

  /** W2: the campaign of a view, else null. */
  public String viewCampaign(byte[] in) throws IOException {
    if (TREE) {
      JsonNode e = MAPPER.readTree(in);
      return "view".equals(e.get("event_type").textValue()) ? CAMPAIGN.get(e.get("ad_id").textValue()) : null;
    }
    String ad = null;
    try (JsonParser p = FACTORY.createParser(in)) {
      p.nextToken();
      for (String f; (f = p.nextFieldName()) != null; ) {
        p.nextToken();
        if (f.equals("ad_id")) ad = p.getText();
        else if (f.equals("event_type")) return p.getText().equals("view") ? CAMPAIGN.get(ad) : null;
      }
    }
    return null;
  }

  /** W3: fills cardId, amount, id and ts. */
  public Pay pay(byte[] in) throws IOException {
    Pay r = new Pay();
    if (TREE) {
      JsonNode e = MAPPER.readTree(in);
      r.card = e.get("card_id").textValue();
      r.amount = e.get("amount").doubleValue();
      r.ts = e.get("ts").longValue();
      r.id = e.get("event_id").textValue();
      return r;
    }
    try (JsonParser p = FACTORY.createParser(in)) {
      p.nextToken();
      for (String f; (f = p.nextFieldName()) != null; ) {
        p.nextToken();
        switch (f) {
          case "event_id" -> r.id = p.getText();
          case "ts" -> r.ts = p.getLongValue();
          case "card_id" -> r.card = p.getText();
          case "amount" -> { r.amount = p.getDoubleValue(); return r; }
          default -> { }
        }
      }
    }
    return r;
  }

  public static byte[] window(String campaign, long start, long count) {
    return ("{\"campaign\":\"" + campaign + "\",\"window\":" + start + ",\"count\":" + count + "}").getBytes(StandardCharsets.UTF_8);
  }

  public static byte[] alert(String card, String id, long ts, int small) {
    return ("{\"id\":\"" + id + "\",\"card\":\"" + card + "\",\"t\":" + ts + ",\"small\":" + small + "}").getBytes(StandardCharsets.UTF_8);
  }
}
