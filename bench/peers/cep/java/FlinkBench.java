// SPDX-License-Identifier: Apache-2.0
import java.time.Duration; import java.util.*; import java.util.function.*;
import org.apache.flink.api.common.state.*; import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.cep.nfa.*; import org.apache.flink.cep.nfa.aftermatch.*; import org.apache.flink.cep.nfa.compiler.NFACompiler; import org.apache.flink.cep.nfa.sharedbuffer.*;
import org.apache.flink.cep.pattern.*; import org.apache.flink.cep.pattern.conditions.SimpleCondition; import org.apache.flink.cep.time.TimerService;
import org.apache.flink.configuration.Configuration;
/** Flink CEP's own NFA and SharedBuffer, driven as CepOperator drives them, over plain Java heap maps (no serialisation). */
public class FlinkBench {
  /** keyed heap state, one HashMap per key and state */
  static class Heap implements KeyedStateStore { Object key = 0;
    class M<K, V> implements MapState<K, V> { final HashMap<Object, HashMap<K, V>> all = new HashMap<>();
      HashMap<K, V> m() { return all.computeIfAbsent(key, k -> new HashMap<>()); }
      public V get(K k) { return m().get(k); } public void put(K k, V v) { m().put(k, v); } public void putAll(Map<K, V> x) { m().putAll(x); }
      public void remove(K k) { HashMap<K, V> h = m(); h.remove(k); if (h.isEmpty()) all.remove(key); } public boolean contains(K k) { return m().containsKey(k); }
      public Iterable<Map.Entry<K, V>> entries() { return m().entrySet(); } public Iterable<K> keys() { return m().keySet(); } public Iterable<V> values() { return m().values(); }
      public Iterator<Map.Entry<K, V>> iterator() { return m().entrySet().iterator(); } public boolean isEmpty() { return m().isEmpty(); } public void clear() { all.remove(key); } }
    class S<T> implements ValueState<T> { final HashMap<Object, T> all = new HashMap<>(); public T value() { return all.get(key); } public void update(T v) { all.put(key, v); } public void clear() { all.remove(key); } }
    public <T> ValueState<T> getState(ValueStateDescriptor<T> d) { return new S<>(); }
    public <K, V> MapState<K, V> getMapState(MapStateDescriptor<K, V> d) { return new M<>(); }
    public <T> ListState<T> getListState(ListStateDescriptor<T> d) { throw new RuntimeException(); }
    public <T> ReducingState<T> getReducingState(ReducingStateDescriptor<T> d) { throw new RuntimeException(); }
    public <I, A, O> AggregatingState<I, O> getAggregatingState(AggregatingStateDescriptor<I, A, O> d) { throw new RuntimeException(); }
    public <T> org.apache.flink.api.common.state.v2.ValueState<T> getValueState(org.apache.flink.api.common.state.v2.ValueStateDescriptor<T> d) { throw new RuntimeException(); }
    public <T> org.apache.flink.api.common.state.v2.ListState<T> getListState(org.apache.flink.api.common.state.v2.ListStateDescriptor<T> d) { throw new RuntimeException(); }
    public <K, V> org.apache.flink.api.common.state.v2.MapState<K, V> getMapState(org.apache.flink.api.common.state.v2.MapStateDescriptor<K, V> d) { throw new RuntimeException(); }
    public <T> org.apache.flink.api.common.state.v2.ReducingState<T> getReducingState(org.apache.flink.api.common.state.v2.ReducingStateDescriptor<T> d) { throw new RuntimeException(); }
    public <I, A, O> org.apache.flink.api.common.state.v2.AggregatingState<I, O> getAggregatingState(org.apache.flink.api.common.state.v2.AggregatingStateDescriptor<I, A, O> d) { throw new RuntimeException(); }
  }
  static class One implements Data.Engine { final Heap heap = new Heap(); final NFA<Data.Ev> nfa; final SharedBuffer<Data.Ev> sb; final AfterMatchSkipStrategy skip; final ValueState<NFAState> st; final boolean keyed; long n; long[] now = {0};
    final TimerService ts = () -> now[0];
    One(Pattern<Data.Ev, ?> p, boolean keyed) throws Exception { this.keyed = keyed; nfa = NFACompiler.compileFactory(p, false).createNFA(); nfa.open((org.apache.flink.api.common.functions.RuntimeContext) java.lang.reflect.Proxy.newProxyInstance(FlinkBench.class.getClassLoader(), new Class<?>[]{org.apache.flink.api.common.functions.RuntimeContext.class}, (o, m, x) -> null), new Configuration());
      sb = new SharedBuffer<>(heap, new org.apache.flink.api.java.typeutils.runtime.kryo.KryoSerializer<>(Data.Ev.class, new org.apache.flink.api.common.serialization.SerializerConfigImpl()));
      st = heap.getState((ValueStateDescriptor<NFAState>) null); skip = p.getAfterMatchSkipStrategy() == null ? AfterMatchSkipStrategy.noSkip() : p.getAfterMatchSkipStrategy(); }
    public void on(Data.Ev e) throws Exception { if (keyed) heap.key = e.card; now[0] = e.ts; NFAState s = st.value(); if (s == null) s = nfa.createInitialNFAState();
      try (SharedBufferAccessor<Data.Ev> a = sb.getAccessor()) { nfa.advanceTime(a, s, e.ts, skip); }
      try (SharedBufferAccessor<Data.Ev> a = sb.getAccessor()) { n += nfa.process(a, s, e, e.ts, skip, ts).size(); }
      if (s.isStateChanged()) { s.resetStateChanged(); st.update(s); } else if (st.value() == null) st.update(s); }
    public long matches() { return n; } public void close() { sb.releaseCacheStatisticsTimer(); } }
  interface P extends java.util.function.Predicate<Data.Ev>, java.io.Serializable {}
  static SimpleCondition<Data.Ev> c(P p) { return SimpleCondition.of(e -> p.test(e)); }
  static Pattern<Data.Ev, ?> seq(int[] s, boolean any, long w) { Pattern<Data.Ev, ?> p = null;
    for (int i = 0; i < s.length; i++) { final int v = s[i]; p = (p == null ? Pattern.<Data.Ev>begin("s" + i) : any ? p.followedByAny("s" + i) : p.followedBy("s" + i)).where(c(e -> e.sym == v)); }
    return p.within(Duration.ofMillis(w)); }
  static Pattern<Data.Ev, ?> stock(int k, long w) { Pattern<Data.Ev, ?> p = null;
    for (int i = 0; i < k; i++) { final int v = STOCK[i], t = i % 3 == 0 ? 1 : 0; p = (p == null ? Pattern.<Data.Ev>begin("s" + i) : p.followedByAny("s" + i)).where(c(e -> e.sym == v && e.card == t)); }
    return p.within(Duration.ofMillis(w)); }
  static final int[] STOCK = {0,1,2,3,4,5,6,7,8,9,0,1,0,1,2,3,4,5,6,7,8,9,0,1};
  static Data.Engine make(String q, int w) throws Exception {
    switch (q) {
      case "q1": return new One(seq(new int[]{0, 1, 2}, false, w), false);
      case "q2": return new One(seq(new int[]{0, 1, 2}, true, w), false);
      case "q2n": return new One(seq(new int[]{0, 1, 9}, true, w), false);
      case "q3": return new One(Pattern.<Data.Ev>begin("a").where(c(e -> e.sym == 0)).followedByAny("b").where(c(e -> e.sym == 1)).oneOrMore().allowCombinations().followedByAny("c").where(c(e -> e.sym == 2)).within(Duration.ofMillis(w)), false);
      case "q6": case "q7": { boolean eq = q.equals("q7"); return new One(Pattern.<Data.Ev>begin("a").where(c(e -> e.sym == 0)).followedByAny("b").where(new org.apache.flink.cep.pattern.conditions.IterativeCondition<Data.Ev>() {
          public boolean filter(Data.Ev e, Context<Data.Ev> x) throws Exception { if (e.sym != 1) return false; for (Data.Ev a : x.getEventsForPattern("a")) return eq ? e.card == a.card : e.amount > a.amount; return false; } })
        .followedByAny("c").where(c(e -> e.sym == 2)).within(Duration.ofMillis(w)), false); }
      case "q4": return new One(Pattern.<Data.Ev>begin("s").where(c(e -> e.amount < 10)).times(3).followedBy("l").where(c(e -> e.amount > 500)).within(Duration.ofSeconds(60)), true);
      case "q4s": return new One(Pattern.<Data.Ev>begin("s", AfterMatchSkipStrategy.skipPastLastEvent()).where(c(e -> e.amount < 10)).times(3).followedBy("l").where(c(e -> e.amount > 500)).within(Duration.ofSeconds(60)), true);
      case "q5": { One[] a = new One[w]; for (int i = 0; i < w; i++) a[i] = new One(seq(new int[]{3 * i, 3 * i + 1, 3 * i + 2}, false, 10000), false);
        return new Data.Engine() { public void on(Data.Ev e) throws Exception { for (One o : a) o.on(e); } public long matches() { long m = 0; for (One o : a) m += o.n; return m; } public void close() { for (One o : a) o.close(); } }; }
      case "stock": return new One(stock(w, 10000), false);
      case "stockne": { Pattern<Data.Ev, ?> p = stock(w, 10000); return new One(p.followedByAny("ne").where(c(e -> e.sym == 99)).within(Duration.ofMillis(10000)), false); }
    } throw new RuntimeException(q); }
  public static void main(String[] a) throws Exception { Data.Ev[] ev = Data.load(a[0]); int w = Integer.parseInt(a[2]);
    Data.run("FLINK " + a[1] + " " + w, ev, Double.parseDouble(a[3]), () -> make(a[1], w)); System.exit(0); }
}
