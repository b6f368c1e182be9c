// SPDX-License-Identifier: Apache-2.0
import com.espertech.esper.common.client.*; import com.espertech.esper.common.client.configuration.Configuration; import com.espertech.esper.compiler.client.*; import com.espertech.esper.runtime.client.*;
import java.util.*;
/** Esper: one runtime, external clock advanced to each event's time, no threads. */
public class EsperBench {
  static final int[] STOCK = {0,1,2,3,4,5,6,7,8,9,0,1,0,1,2,3,4,5,6,7,8,9,0,1};
  static String epl(String q, int w) {
    String W = "where timer:within(" + w + " msec)";
    switch (q) {
      case "q1": return "@name('o') select * from pattern [every a=E(sym=0) -> (b=E(sym=1) -> c=E(sym=2)) " + W + "];";
      case "q2": return "@name('o') select * from pattern [every a=E(sym=0) -> (every b=E(sym=1) -> every c=E(sym=2)) " + W + "];";
      case "q2n": return "@name('o') select * from pattern [every a=E(sym=0) -> (every b=E(sym=1) -> every c=E(sym=9)) " + W + "];";
      case "q2m": return "@name('o') select * from E#ext_timed(ts, " + w + " msec) match_recognize (measures A as a, B as b, C as c all matches pattern (A s* B s* C) define A as A.sym=0, B as B.sym=1, C as C.sym=2);";
      case "q3": return "@name('o') select * from E#ext_timed(ts, " + w + " msec) match_recognize (measures A as a, C as c, count(B.sym) as nb all matches pattern (A s* (B s*)+ C) define A as A.sym=0, B as B.sym=1, C as C.sym=2);";
      case "q6": return "@name('o') select * from pattern [every a=E(sym=0) -> (every b=E(sym=1, amount > a.amount) -> every c=E(sym=2)) " + W + "];";
      case "q7": return "@name('o') select * from pattern [every a=E(sym=0) -> (every b=E(sym=1, card = a.card) -> every c=E(sym=2)) " + W + "];";
      case "q4": return "@public create context PerCard partition by card from E; @name('o') context PerCard select * from pattern [every s1=E(amount<10) -> (s2=E(amount<10) -> s3=E(amount<10) -> l=E(amount>500)) where timer:within(60 sec)];";
      case "q4j": return "@name('o') select * from pattern [every s1=E(amount<10) -> (s2=E(card=s1.card, amount<10) -> s3=E(card=s1.card, amount<10) -> l=E(card=s1.card, amount>500)) where timer:within(60 sec)];";
      case "q5": { StringBuilder b = new StringBuilder(); for (int i = 0; i < w; i++) b.append("@name('o" + i + "') select * from pattern [every a=E(sym=" + 3 * i + ") -> (b=E(sym=" + (3 * i + 1) + ") -> c=E(sym=" + (3 * i + 2) + ")) where timer:within(10 sec)];\n"); return b.toString(); }
      case "stockne": return epl("stock", w).replace(") where", " -> every ne=E(sym=99)) where");
      case "stock": { StringBuilder b = new StringBuilder("@name('o') select * from pattern [every a0=E(sym=0, card=1) -> ("); for (int i = 1; i < w; i++) b.append((i > 1 ? " -> " : "") + "every a" + i + "=E(sym=" + STOCK[i] + ", card=" + (i % 3 == 0 ? 1 : 0) + ")"); return b + ") where timer:within(10 sec)];"; }
    } throw new RuntimeException(q); }
  static int uri;
  static Data.Engine make(String q, int w) throws Exception {
    Configuration c = new Configuration(); c.getCommon().addEventType("E", Data.Ev.class); c.getRuntime().getThreading().setInternalTimerEnabled(false); c.getRuntime().getLogging().setEnableExecutionDebug(false);
    EPCompiled comp = EPCompilerProvider.getCompiler().compile(epl(q, w), new CompilerArguments(c));
    EPRuntime rt = EPRuntimeProvider.getRuntime("u" + uri++, c); rt.getEventService().clockExternal(); rt.getEventService().advanceTime(0);
    EPDeployment d = rt.getDeploymentService().deploy(comp); long[] n = {0};
    for (EPStatement s : d.getStatements()) if (s.getName() != null && s.getName().startsWith("o")) s.addListener((nw, old, st, r) -> { if (nw != null) n[0] += nw.length; });
    EPEventService es = rt.getEventService(); long[] t = {0};
    return new Data.Engine() { public void on(Data.Ev e) { if (e.ts != t[0]) { es.advanceTime(e.ts); t[0] = e.ts; } es.sendEventBean(e, "E"); } public long matches() { return n[0]; } public void close() { rt.destroy(); } }; }
  public static void main(String[] a) throws Exception { Data.Ev[] ev = Data.load(a[0]); int w = Integer.parseInt(a[2]);
    Data.run("ESPER " + a[1] + " " + w, ev, Double.parseDouble(a[3]), () -> make(a[1], w)); System.exit(0); }
}
