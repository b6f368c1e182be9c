// SPDX-License-Identifier: Apache-2.0
package peers;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFlatMapFunction;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.cep.CEP;
import org.apache.flink.cep.functions.PatternProcessFunction;
import org.apache.flink.cep.nfa.aftermatch.AfterMatchSkipStrategy;
import org.apache.flink.cep.pattern.Pattern;
import org.apache.flink.cep.pattern.conditions.SimpleCondition;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.sink.KafkaSinkBuilder;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.KafkaSourceBuilder;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;

/** FlinkBench etl|window|cep on a local MiniCluster, settings as system properties (see bench.sh). */
public final class FlinkBench {
  /** Key and value of a Kafka record (a Flink POJO). */
  public static class Kv {
    public byte[] k, v;
    public Kv() {}
    public Kv(byte[] k, byte[] v) { this.k = k; this.v = v; }
  }

  static final class In implements KafkaRecordDeserializationSchema<Kv> {
    @Override public void deserialize(ConsumerRecord<byte[], byte[]> r, Collector<Kv> out) { out.collect(new Kv(r.key(), r.value())); }
    @Override public TypeInformation<Kv> getProducedType() { return TypeInformation.of(Kv.class); }
  }

  static final class Out implements KafkaRecordSerializationSchema<Kv> {
    final String topic;
    Out(String topic) { this.topic = topic; }
    @Override public ProducerRecord<byte[], byte[]> serialize(Kv r, KafkaSinkContext c, Long ts) { return new ProducerRecord<>(topic, null, ts, r.k, r.v); }
  }

  abstract static class Counted<O> extends RichFlatMapFunction<Kv, O> {
    transient Codec codec;
    transient Probe.Counter in, mid;
    @Override public void open(OpenContext c) { codec = new Codec(); in = Probe.in(); mid = Probe.mid(); }
  }

  static final class Etl extends Counted<Kv> {
    @Override public void flatMap(Kv r, Collector<Kv> out) throws IOException {
      in.inc();
      byte[] o = codec.etl(r.v);
      if (o != null) { mid.inc(); out.collect(new Kv(r.k, o)); }
    }
  }

  static final class View extends Counted<String> {
    @Override public void flatMap(Kv r, Collector<String> out) throws IOException {
      in.inc();
      String c = codec.viewCampaign(r.v);
      if (c != null) { mid.inc(); out.collect(c); }
    }
  }

  static final class ToPay extends Counted<Pay> {
    final boolean prefilter = Boolean.getBoolean("prefilter");
    @Override public void flatMap(Kv r, Collector<Pay> out) throws IOException {
      in.inc();
      Pay p = codec.pay(r.v);
      if (!prefilter || p.amount < 2 || p.amount > 500) { mid.inc(); out.collect(p); }
    }
  }

  static final class Count implements AggregateFunction<String, Long, Long> {
    @Override public Long createAccumulator() { return 0L; }
    @Override public Long add(String c, Long n) { return n + 1; }
    @Override public Long getResult(Long n) { return n; }
    @Override public Long merge(Long a, Long b) { return a + b; }
  }

  static final class Emit extends ProcessWindowFunction<Long, Kv, String, TimeWindow> {
    @Override public void process(String key, Context c, Iterable<Long> counts, Collector<Kv> out) {
      out.collect(new Kv(key.getBytes(), Codec.window(key, c.window().getStart(), counts.iterator().next())));
    }
  }

  static final class Alert extends PatternProcessFunction<Pay, Kv> {
    @Override public void processMatch(Map<String, List<Pay>> m, Context c, Collector<Kv> out) {
      Pay l = m.get("large").get(0);
      out.collect(new Kv(l.card.getBytes(), Codec.alert(l.card, l.id, l.ts, m.get("small").size())));
    }
  }

  public static void main(String[] a) throws Exception {
    String work = a[0], state = System.getProperty("state");
    long n = Long.getLong("n", 0);
    int threads = Integer.getInteger("threads", 1), every = Integer.getInteger("commit", 1000);
    boolean eos = Boolean.getBoolean("eos"), mem = !"rocksdb".equals(System.getProperty("store"));
    Configuration conf = new Configuration();
    conf.setString("state.backend.type", mem ? "hashmap" : "rocksdb");
    conf.setString("execution.checkpointing.incremental", "true");
    conf.setString("execution.checkpointing.dir", "file://" + state + "/checkpoints");
    conf.setString("io.tmp.dirs", state);
    conf.setString("taskmanager.memory.managed.size", "512m");
    conf.setString("taskmanager.memory.network.min", "64m");
    conf.setString("taskmanager.memory.network.max", "64m");
    StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(threads, conf);
    env.enableCheckpointing(every);
    env.getConfig().enableObjectReuse();

    KafkaSourceBuilder<Kv> sb = KafkaSource.<Kv>builder().setBootstrapServers(System.getProperty("brokers")).setTopics(System.getProperty("in"))
        .setGroupId("flink-" + System.currentTimeMillis()).setDeserializer(new In());
    if (n > 0) sb.setStartingOffsets(OffsetsInitializer.earliest()).setBounded(OffsetsInitializer.latest());
    else sb.setStartingOffsets(OffsetsInitializer.latest());
    KafkaSinkBuilder<Kv> kb = KafkaSink.<Kv>builder().setBootstrapServers(System.getProperty("brokers"))
        .setRecordSerializer(new Out(System.getProperty("out")))
        .setDeliveryGuarantee(eos ? DeliveryGuarantee.EXACTLY_ONCE : DeliveryGuarantee.AT_LEAST_ONCE)
        .setTransactionalIdPrefix("flink-" + System.currentTimeMillis()).setProperty("transaction.timeout.ms", "600000");
    if (Boolean.getBoolean("tuned")) {
      kb.setProperty("batch.size", "262144").setProperty("linger.ms", "20");
      sb.setProperty("max.poll.records", "10000").setProperty("max.partition.fetch.bytes", "4194304");
    }
    // event time is the Kafka record timestamp, watermarks per partition
    WatermarkStrategy<Kv> wm = work.equals("etl") ? WatermarkStrategy.noWatermarks() : WatermarkStrategy.forMonotonousTimestamps();
    DataStream<Kv> s = env.fromSource(sb.build(), wm, "in");
    DataStream<Kv> o = switch (work) {
      case "etl" -> s.flatMap(new Etl());
      case "window" -> s.flatMap(new View()).keyBy(c -> c).window(TumblingEventTimeWindows.of(Duration.ofSeconds(10))).aggregate(new Count(), new Emit());
      case "cep" -> {
        Pattern<Pay, ?> p = Pattern.<Pay>begin("small", AfterMatchSkipStrategy.skipPastLastEvent())
            .where(SimpleCondition.of(e -> e.amount < 2)).timesOrMore(3)
            .followedBy("large").where(SimpleCondition.of(e -> e.amount > 500)).within(Duration.ofSeconds(60));
        yield CEP.pattern(s.flatMap(new ToPay()).keyBy(e -> e.card), p).process(new Alert());
      }
      default -> throw new IllegalArgumentException(work);
    };
    o.sinkTo(kb.build());

    String label = "E2 flink " + work + " p" + threads + (eos ? " eos" : " alo") + " ckpt" + every + (work.equals("etl") ? "" : mem ? " heap" : " rocksdb")
        + (Codec.TREE ? " tree" : " stream") + (Boolean.getBoolean("prefilter") ? " prefilter" : "") + (Boolean.getBoolean("tuned") ? " tuned" : "");
    Probe.start(n > 0 ? n : Long.MAX_VALUE);
    if (n == 0) Runtime.getRuntime().addShutdownHook(new Thread(() -> { try { Probe.report(label); } catch (Exception e) { e.printStackTrace(); } }));
    env.execute(work);
    Probe.report(label);
    Runtime.getRuntime().halt(0);
  }
}
