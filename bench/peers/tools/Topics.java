// SPDX-License-Identifier: Apache-2.0
import java.util.*; import org.apache.kafka.clients.admin.*;
public class Topics { // create TOPIC... | delete PREFIX...
  public static void main(String[] a) throws Exception {
    Map<String,Object> c = new HashMap<>(); c.put("bootstrap.servers", System.getenv().getOrDefault("BROKERS","127.0.0.1:39092"));
    try (Admin ad = Admin.create(c)) {
      if (a[0].equals("create")) { List<NewTopic> l = new ArrayList<>();
        for (int i=1;i<a.length;i++) l.add(new NewTopic(a[i], 4, (short)1).configs(Map.of("retention.ms","-1","retention.bytes","-1")));
        ad.createTopics(l).all().get(); }
      else { List<String> l = new ArrayList<>(); for (String t : ad.listTopics().names().get()) for (int i=1;i<a.length;i++) if (t.startsWith(a[i])) l.add(t);
        ad.deleteTopics(l).all().get(); System.out.println("deleted "+l.size()); }
    } } }
