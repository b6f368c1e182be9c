// SPDX-License-Identifier: Apache-2.0
package peers;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/** KStreamsBench etl|window|cep, settings as system properties (see bench.sh). */
public final class KStreamsBench {
  static final Serde<byte[]> BYTES = Serdes.ByteArray();
  static final Serde<String> STRING = Serdes.String();

  static final class Etl extends ContextualProcessor<byte[], byte[], byte[], byte[]> {
    final Codec codec = new Codec();
    final Probe.Counter in = Probe.in(), mid = Probe.mid();
    @Override public void process(Record<byte[], byte[]> r) {
      in.inc();
      try {
        byte[] o = codec.etl(r.value());
        if (o != null) { mid.inc(); context().forward(r.withValue(o)); }
      } catch (IOException e) { throw new UncheckedIOException(e); }
    }
  }

  static final class View extends ContextualProcessor<byte[], byte[], String, byte[]> {
    static final byte[] NONE = {1};
    final Codec codec = new Codec();
    final Probe.Counter in = Probe.in(), mid = Probe.mid();
    @Override public void process(Record<byte[], byte[]> r) {
      in.inc();
      try {
        String c = codec.viewCampaign(r.value());
        if (c != null) { mid.inc(); context().forward(r.withKey(c).withValue(NONE)); }
      } catch (IOException e) { throw new UncheckedIOException(e); }
    }
  }

  /** Three or more small payments, then a large one, within 60 s; skip past the last event.
   *  The state of a card is the times of its small payments of the last 60 s. */
  static final class Fraud extends ContextualProcessor<byte[], byte[], byte[], byte[]> {
    static final long WITHIN = 60_000;
    final Codec codec = new Codec();
    final Probe.Counter in = Probe.in(), mid = Probe.mid();
    KeyValueStore<String, byte[]> store;
    @Override public void init(ProcessorContext<byte[], byte[]> c) { super.init(c); store = c.getStateStore("fraud"); }
    @Override public void process(Record<byte[], byte[]> r) {
      in.inc();
      try {
        Pay p = codec.pay(r.value());
        boolean small = p.amount < 2, large = p.amount > 500;
        if (!small && !large) return;
        byte[] s = store.get(p.card);
        int from = 0, len = s == null ? 0 : s.length;
        ByteBuffer b = len == 0 ? null : ByteBuffer.wrap(s);
        while (from < len && p.ts - b.getLong(from) >= WITHIN) from += 8;
        if (small) {
          ByteBuffer n = ByteBuffer.allocate(len - from + 8);
          if (len > from) n.put(s, from, len - from);
          store.put(p.card, n.putLong(p.ts).array());
        } else if (len - from >= 24) {
          store.delete(p.card);
          mid.inc();
          context().forward(r.withValue(Codec.alert(p.card, p.id, p.ts, (len - from) / 8)));
        }
      } catch (IOException e) { throw new UncheckedIOException(e); }
    }
  }

  public static void main(String[] a) throws Exception {
    String work = a[0], run = work + "-" + System.currentTimeMillis();
    long n = Long.getLong("n", 0);
    boolean eos = Boolean.getBoolean("eos"), mem = "mem".equals(System.getProperty("store"));
    String in = System.getProperty("in"), out = System.getProperty("out");
    Properties p = new Properties();
    p.put(StreamsConfig.APPLICATION_ID_CONFIG, "ks-" + run);
    p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, System.getProperty("brokers"));
    p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Integer.getInteger("threads", 1));
    p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, eos ? StreamsConfig.EXACTLY_ONCE_V2 : StreamsConfig.AT_LEAST_ONCE);
    p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, Integer.getInteger("commit", 1000));
    p.put(StreamsConfig.STATE_DIR_CONFIG, System.getProperty("state"));
    p.put(StreamsConfig.consumerPrefix("auto.offset.reset"), n > 0 ? "earliest" : "latest");
    if (Boolean.getBoolean("tuned")) {
      p.put(StreamsConfig.producerPrefix("batch.size"), 262144);
      p.put(StreamsConfig.consumerPrefix("max.poll.records"), 10000);
      p.put(StreamsConfig.consumerPrefix("max.partition.fetch.bytes"), 4 << 20);
    }
    if (System.getProperty("linger") != null) p.put(StreamsConfig.producerPrefix("linger.ms"), System.getProperty("linger"));

    StreamsBuilder b = new StreamsBuilder();
    KStream<byte[], byte[]> s = b.stream(in, Consumed.with(BYTES, BYTES));
    switch (work) {
      case "etl" -> s.process(Etl::new).to(out, Produced.with(BYTES, BYTES));
      case "window" -> {
        Probe.Counter down = Probe.down(); // shared by the threads: incremented atomically
        Materialized<String, Long, WindowStore<Bytes, byte[]>> m = mem
            ? Materialized.as(Stores.inMemoryWindowStore("counts", Duration.ofMinutes(70), Duration.ofSeconds(10), false))
            : Materialized.as("counts");
        s.process(View::new).groupByKey(Grouped.with(STRING, BYTES))
            .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofSeconds(10), Duration.ofHours(1)))
            .aggregate(() -> 0L, (k, v, c) -> { down.incrementAndGet(); return c + 1; }, m.withKeySerde(STRING).withValueSerde(Serdes.Long()))
            .toStream()
            .map((k, v) -> KeyValue.pair(k.key(), Codec.window(k.key(), k.window().start(), v)))
            .to(out, Produced.with(STRING, BYTES));
      }
      case "cep" -> {
        b.addStateStore(Stores.keyValueStoreBuilder(mem ? Stores.inMemoryKeyValueStore("fraud") : Stores.persistentKeyValueStore("fraud"), STRING, BYTES));
        s.process(Fraud::new, "fraud").to(out, Produced.with(BYTES, BYTES));
      }
      default -> throw new IllegalArgumentException(work);
    }
    KafkaStreams ks = new KafkaStreams(b.build(), p);
    Thread done = Probe.start(n > 0 ? n : Long.MAX_VALUE);
    ks.start();
    if (n > 0) {
      done.join();
    } else {
      CountDownLatch l = new CountDownLatch(1);
      Runtime.getRuntime().addShutdownHook(new Thread(l::countDown));
      l.await();
    }
    ks.close(Duration.ofSeconds(60));
    Probe.report("E1 kstreams " + work + " t" + Integer.getInteger("threads", 1) + (eos ? " eos" : " alo") + " commit" + Integer.getInteger("commit", 1000)
        + (work.equals("etl") ? "" : mem ? " mem" : " rocksdb") + (Codec.TREE ? " tree" : " stream") + (Boolean.getBoolean("tuned") ? " tuned" : ""));
    ks.cleanUp();
    Runtime.getRuntime().halt(0);
  }
}
